//! Hook files that change while the program runs.
#![forbid(unsafe_code)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use common::live::{DEADLINE, replace, selected, sleeps, start, task, until, until_selected};
use common::{Tree, always, container, need_root};
use hooks_d::{Live, OnError, Source};

#[test]
fn files_appear_change_and_vanish() {
    let tree = Tree::new();
    tree.hook("d/a.json", &["1"]);
    let live = start(&tree, &["d"]);
    assert_eq!(selected(&live.current()), ["1"]);
    tree.hook("d/b.json", &["2"]);
    until_selected(&live, &["1", "2"]);
    tree.hook("d/a.json", &["3"]);
    until_selected(&live, &["3", "2"]);
    replace(&tree, "d/a.json", &["4"]);
    until_selected(&live, &["4", "2"]);
    fs::remove_file(tree.path("d/b.json")).unwrap();
    until_selected(&live, &["4"]);
    fs::rename(tree.path("d/a.json"), tree.path("d/a.off")).unwrap();
    until_selected(&live, &[]);
}

#[test]
fn what_was_read_stays_as_it_is() {
    let tree = Tree::new();
    tree.hook("d/a.json", &["1"]);
    let live = start(&tree, &["d"]);
    let before = live.current();
    tree.hook("d/a.json", &["2"]);
    until_selected(&live, &["2"]);
    assert_eq!(selected(&before), ["1"]);
}

#[test]
fn a_file_that_became_bad_keeps_its_last_good_version_and_is_reported() {
    let tree = Tree::new();
    tree.hook("d/a.json", &["1"]);
    let live = start(&tree, &["d"]);
    tree.write("d/a.json", "{\"version\": ");
    until(&live, "the problem", |files| {
        files.problems().next().is_some()
    });
    assert_eq!(selected(&live.current()), ["1"]);
    assert!(live.current().verdict().is_ok());
    tree.hook("d/a.json", &["2"]);
    until_selected(&live, &["2"]);
    assert!(live.current().problems().next().is_none());
    tree.write("d/a.json", "{");
    until(&live, "the problem", |files| {
        files.problems().next().is_some()
    });
    fs::remove_file(tree.path("d/a.json")).unwrap();
    until_selected(&live, &[]);
}

#[test]
fn a_file_that_never_was_good_fails_the_verdict() {
    let tree = Tree::new();
    tree.hook("d/a.json", &["1"]);
    let live = start(&tree, &["d"]);
    tree.write("d/b.json", "{");
    until(&live, "the failure", |files| files.verdict().is_err());
    assert_eq!(selected(&live.current()), ["1"]);
    fs::remove_file(tree.path("d/b.json")).unwrap();
    until(&live, "no failure", |files| files.verdict().is_ok());
}

#[test]
fn a_half_written_override_keeps_what_it_overrides() {
    let tree = Tree::new();
    tree.hook("usr/a.json", &["usr"]);
    fs::create_dir(tree.path("etc")).unwrap();
    let live = start(&tree, &["usr", "etc"]);
    tree.write("etc/a.json", "{\"ver");
    until(&live, "the problem", |files| {
        files.problems().next().is_some()
    });
    assert_eq!(selected(&live.current()), ["usr"]);
    tree.hook("etc/a.json", &["etc"]);
    until_selected(&live, &["etc"]);
    fs::remove_file(tree.path("etc/a.json")).unwrap();
    until_selected(&live, &["usr"]);
}

#[test]
fn an_empty_override_disables_once_it_has_been_empty_for_a_while() {
    let tree = Tree::new();
    tree.hook("usr/a.json", &["usr"]);
    fs::create_dir(tree.path("etc")).unwrap();
    let live = start(&tree, &["usr", "etc"]);
    tree.write("etc/a.json", "");
    until_selected(&live, &[]);
    assert!(live.current().verdict().is_ok());
    fs::remove_file(tree.path("etc/a.json")).unwrap();
    until_selected(&live, &["usr"]);
    tree.link("etc/a.json", "/dev/null");
    until_selected(&live, &[]);
}

#[test]
fn a_directory_that_others_can_write_to_keeps_what_was_read_before() {
    if !need_root() {
        return;
    }
    let set_mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let tree = Tree::new();
    tree.hook("d/a.json", &["1"]);
    let live = start(&tree, &["d"]);
    set_mode(&tree.path("d"), 0o777);
    until(&live, "the problem", |files| {
        files.problems().next().is_some()
    });
    tree.hook("d/b.json", &["evil"]);
    assert!(live.current().verdict().is_ok());
    set_mode(&tree.path("d"), 0o755);
    fs::remove_file(tree.path("d/b.json")).unwrap();
    until(&live, "no problem", |files| {
        files.problems().next().is_none()
    });
    until_selected(&live, &["1"]);
}

#[test]
fn a_later_directory_overrides_one_that_cannot_be_read_any_more() {
    if !need_root() {
        return;
    }
    let tree = Tree::new();
    tree.hook("usr/a.json", &["usr a"]);
    tree.hook("usr/b.json", &["usr b"]);
    tree.hook("usr/c.json", &["usr c"]);
    fs::create_dir(tree.path("etc")).unwrap();
    let live = start(&tree, &["usr", "etc"]);
    fs::set_permissions(tree.path("usr"), fs::Permissions::from_mode(0o777)).unwrap();
    until(&live, "the problem", |files| {
        files.problems().next().is_some()
    });
    assert_eq!(selected(&live.current()), ["usr a", "usr b", "usr c"]);
    tree.hook("etc/a.json", &["etc a"]);
    tree.link("etc/b.json", "/dev/null");
    until_selected(&live, &["etc a", "usr c"]);
    assert!(live.current().verdict().is_ok());
    // An earlier one does not.
    fs::remove_file(tree.path("etc/b.json")).unwrap();
    fs::set_permissions(tree.path("usr"), fs::Permissions::from_mode(0o755)).unwrap();
    until_selected(&live, &["etc a", "usr b", "usr c"]);
    fs::set_permissions(tree.path("etc"), fs::Permissions::from_mode(0o777)).unwrap();
    until(&live, "the problem", |files| {
        files.problems().next().is_some()
    });
    assert_eq!(selected(&live.current()), ["etc a", "usr b", "usr c"]);
}

#[test]
fn hooks_json_is_watched() {
    let tree = Tree::new();
    let json = |n: &str| format!(r#"{{"poststop": [{{"path": "/bin/true", "args": ["{n}"]}}]}}"#);
    let path = tree.write("c/hooks.json", json("1"));
    let mut sources = tree.sources(&[]);
    sources
        .list
        .push((Source::HooksJson(path.clone()), OnError::Fail));
    let live = Live::start(sources, |_| {}).unwrap();
    assert_eq!(selected(&live.current()), ["1"]);
    tree.write("c/hooks.json", "{");
    until(&live, "the problem", |files| {
        files.problems().next().is_some()
    });
    assert_eq!(selected(&live.current()), ["1"]);
    fs::write(&path, json("2")).unwrap();
    until_selected(&live, &["2"]);
    fs::remove_file(&path).unwrap();
    until(&live, "the failure", |files| files.verdict().is_err());
    fs::write(&path, json("3")).unwrap();
    until_selected(&live, &["3"]);
}

/// Packages and DaemonSets install the file of a hook and its executable in any order.
#[test]
fn an_executable_that_appears_after_its_file_is_noticed() {
    let tree = Tree::new();
    let program = tree.path("bin/hook");
    let mut file = always(&["late"]);
    file["hook"]["path"] = program.to_str().unwrap().into();
    tree.write("d/a.json", file.to_string());
    let live = start(&tree, &["d"]);
    assert_eq!(selected(&live.current()), Vec::<String>::new());
    assert!(live.current().verdict().is_err());
    tree.write("bin/hook", "");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    until_selected(&live, &["late"]);
    assert!(live.current().verdict().is_ok());
}

/// Calls `write` about a thousand times a second until it is dropped.
struct Writer {
    stop: Arc<AtomicBool>,
    writes: Arc<AtomicUsize>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    fn start(write: impl Fn(usize) + Send + 'static) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let writes = Arc::new(AtomicUsize::new(0));
        let (stopped, written) = (Arc::clone(&stop), Arc::clone(&writes));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                write(written.fetch_add(1, Ordering::Relaxed));
                thread::sleep(Duration::from_micros(900));
            }
        });
        Writer {
            stop,
            writes,
            thread: Some(thread),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

#[test]
fn a_thousand_writes_a_second_show_no_gap() {
    let tree = Tree::new();
    for name in ["in_place", "renamed"] {
        tree.hook(&format!("d/{name}.json"), &[name]);
    }
    tree.hook("d/still.json", &["still"]);
    let changes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&changes);
    let live = Live::start(tree.sources(&["d"]), move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    let text = |name: &str, n: usize| always(&[name, &"x".repeat(n % 3000)]).to_string();
    let path = tree.path("d/in_place.json");
    let in_place = Writer::start(move |n| fs::write(&path, text("in_place", n)).unwrap());
    let (path, temporary) = (tree.path("d/renamed.json"), tree.path("d/tmp"));
    let renamed = Writer::start(move |n| {
        fs::write(&temporary, text("renamed", n)).unwrap();
        fs::rename(&temporary, &path).unwrap();
    });
    let began = Instant::now();
    let mut looks = 0;
    let writes = |writer: &Writer| writer.writes.load(Ordering::Relaxed);
    // Three seconds, and longer where the machine is too busy to show anything in that time.
    while began.elapsed() < Duration::from_secs(3)
        || looks <= 100
        || changes.load(Ordering::Relaxed) <= 3
        || writes(&in_place).min(writes(&renamed)) <= 300
    {
        assert!(
            began.elapsed() < 2 * DEADLINE,
            "{looks} looks, too little happens"
        );
        let files = live.current();
        assert!(files.verdict().is_ok());
        let hooks = files.select(&container(&[], &["sh"])).hooks;
        let names: Vec<&str> = hooks
            .iter()
            .filter_map(|s| s.hook.args.as_ref()?.first().map(String::as_str))
            .collect();
        assert_eq!(names, ["in_place", "renamed", "still"]);
        looks += 1;
        thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn continuous_writes_do_not_put_off_a_change_for_ever() {
    let tree = Tree::new();
    tree.hook("d/a.json", &["1"]);
    let live = start(&tree, &["d"]);
    let path = tree.path("d/busy");
    let _writer = Writer::start(move |n| fs::write(&path, n.to_string()).unwrap());
    thread::sleep(Duration::from_millis(50));
    tree.hook("d/b.json", &["2"]);
    until_selected(&live, &["1", "2"]);
}

#[test]
fn lost_events_lead_to_a_rescan() {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    if limit > 200_000 {
        eprintln!("skipped: a queue of {limit} events takes too long to fill");
        return;
    }
    let tree = Tree::new();
    tree.hook("d/a.json", &["1"]);
    let (entered, called) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let live = Live::start(tree.sources(&["d"]), move |_| {
        let _ = entered.send(());
        let _ = released.recv_timeout(DEADLINE);
    })
    .unwrap();
    tree.hook("d/b.json", &["2"]);
    called.recv_timeout(DEADLINE).unwrap();
    // Nobody takes events now. Each of these makes two or three.
    for _ in 0..limit / 2 + 1 {
        fs::write(tree.path("d/x"), "").unwrap();
        fs::remove_file(tree.path("d/x")).unwrap();
    }
    // The event of this one is lost.
    tree.hook("d/c.json", &["3"]);
    drop(release);
    until_selected(&live, &["1", "2", "3"]);
}

/// Starts and makes one change, and tells the thread.
fn start_and_learn_thread(tree: &Tree) -> (Live, i32) {
    tree.hook("d/a.json", &["1"]);
    let tid = Arc::new(AtomicI32::new(0));
    let learned = Arc::clone(&tid);
    let live = Live::start(tree.sources(&["d"]), move |_| {
        learned.store(nix::unistd::gettid().as_raw(), Ordering::SeqCst);
    })
    .unwrap();
    tree.hook("d/b.json", &["2"]);
    until(&live, "the thread", |_| tid.load(Ordering::SeqCst) != 0);
    let tid = tid.load(Ordering::SeqCst);
    (live, tid)
}

#[test]
fn the_thread_does_nothing_when_nothing_happens() {
    let tree = Tree::in_a_quiet_place();
    let (live, tid) = start_and_learn_thread(&tree);
    until_selected(&live, &["1", "2"]);
    // It may still be in a burst; a thread that polls would wake up in every period.
    let quiet = (0..60).any(|_| {
        let before = sleeps(tid);
        thread::sleep(Duration::from_millis(500));
        sleeps(tid) == before
    });
    assert!(quiet, "the thread wakes up all the time");
}

#[test]
fn dropping_ends_the_thread() {
    let tree = Tree::new();
    let (live, tid) = start_and_learn_thread(&tree);
    assert!(Path::new(&task(tid)).exists());
    drop(live);
    let began = Instant::now();
    while Path::new(&task(tid)).exists() {
        assert!(began.elapsed() < DEADLINE, "the thread is still there");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_change_is_told_and_no_change_is_not() {
    let tree = Tree::new();
    tree.hook("d/a.json", &["1"]);
    tree.write("d/empty.json", "");
    let (tell, told) = mpsc::channel();
    let _live = Live::start(tree.sources(&["d"]), move |files| {
        let _ = tell.send(selected(files));
    })
    .unwrap();
    // The same content again, and a file that does not count.
    replace(&tree, "d/a.json", &["1"]);
    tree.write("d/README", "x");
    assert!(told.recv_timeout(Duration::from_millis(500)).is_err());
    tree.hook("d/a.json", &["2"]);
    assert_eq!(told.recv_timeout(DEADLINE).unwrap(), ["2"]);
}
