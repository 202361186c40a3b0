//! lxcri-ctl is killed at many moments, or the file system is full: no file is ever half written, and all can be undone.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use lxcri_tests::command::{Cmd, PATIENCE, find_program, quiet, wait_until};
use lxcri_tests::need;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::wrapper::script;
use nix::sys::signal::Signal;

use crate::support::Ctl;

const BEFORE: &str = "# mine\nversion = 2\n\n[grpc]\n  address = \"/x\" # here\n";

/// What containerd needs to start: what is imported is there.
fn is_whole(config: &Path) {
    let text = fs::read_to_string(config).expect("config.toml is always there");
    assert!(
        text.starts_with("# mine\nversion = 2\n") && text.ends_with("# here\n"),
        "{text}"
    );
    if text != BEFORE {
        assert!(text.contains("imports = ["), "{text}");
        let drop_in = config.with_file_name("conf.d").join("99-lxcri.toml");
        let text = fs::read_to_string(drop_in).expect("what is imported exists");
        assert!(text.contains("BinaryName = \"/bin/true\"\n"), "{text}");
    }
}

#[test]
fn sigkill_at_any_moment_leaves_whole_files_and_a_way_back() {
    let moments = need::count("LXCRI_TEST_SWEEP", 40);
    for moment in 0..moments {
        let scratch = Scratch::new();
        let Some(ctl) = Ctl::new(&scratch, "containerd", "config.toml") else {
            return;
        };
        fs::write(&ctl.config, BEFORE).expect("write config.toml");
        let killed = |verb: &str, more: &[&str]| {
            let running = ctl
                .command(verb)
                .args(["--name", "ours"])
                .args(more)
                .spawn();
            sleep(Duration::from_millis(2 * moment as u64));
            running.signal(Signal::SIGKILL);
            running.wait();
            is_whole(&ctl.config);
        };
        killed("configure", &["--path", "/bin/true", "--set-default"]);
        killed("unconfigure", &[]);
        ctl.configure(Path::new("/bin/true"));
        is_whole(&ctl.config);
        killed("unconfigure", &[]);
        ctl.unconfigure();
        assert_eq!(
            fs::read_to_string(&ctl.config).expect("config.toml"),
            BEFORE
        );
        let left: Vec<_> = fs::read_dir(scratch.join("etc"))
            .expect("list etc")
            .map(|entry| entry.expect("list etc").file_name())
            .collect();
        assert_eq!(left, ["config.toml"], "moment {moment}");
    }
}

#[test]
fn a_full_file_system_leaves_the_file_as_it_was() {
    if !need::privileged() {
        return;
    }
    let scratch = Scratch::new();
    let Some(ctl) = Ctl::new(&scratch, "docker", "daemon.json") else {
        return;
    };
    let script = format!(
        "mount -t tmpfs -o size=16k none {etc} && printf '{{}}' > {file} && cat /dev/zero > {etc}/full 2> /dev/null\n\
         {ctl} runtime configure --engine docker --config {file} --state {state} --path /bin/true\n\
         echo status $?; cat {file}; ls -A {etc} {state}",
        etc = scratch.join("etc").display(),
        file = ctl.config.display(),
        state = scratch.join("state").display(),
        ctl = ctl.program.display(),
    );
    let command = Cmd::new(find_program("unshare").expect("util-linux is installed"));
    let outcome = command
        .args(["--mount", "sh", "-c", &script])
        .run()
        .success();
    assert!(
        outcome.stderr.contains("no space left on device (ENOSPC)"),
        "{outcome}"
    );
    let expected = format!(
        "status 1\n{{}}{}:\ndaemon.json\nfull\n\n{}:\nlock\n",
        scratch.join("etc").display(),
        scratch.join("state").display()
    );
    assert_eq!(outcome.stdout, expected);
}

/// A process with the name of a shim whose working directory is a trap: reading a FIFO would take for ever.
#[test]
fn a_stranger_s_process_does_not_hold_up_status() {
    if !need::privileged() || !need::programs(&["setpriv", "mkfifo"]) {
        return;
    }
    let scratch = Scratch::new();
    let Some(ctl) = Ctl::new(&scratch, "docker", "daemon.json") else {
        return;
    };
    for bundle in ["ns/mine", "ns/trap"] {
        scratch.mkdir(bundle);
    }
    assert!(quiet(
        "mkfifo",
        &[&scratch.join("ns/trap/runtime").to_string_lossy()]
    ));
    let text = "#!/bin/sh\necho ready\nsleep 600 &\nwait\n";
    let shim = script(&scratch, "containerd-shim", text);
    for user in ["65534", "0"] {
        let stranger = Cmd::new(find_program("setpriv").expect("it is installed"))
            .args(["--reuid", user, "--clear-groups"])
            .arg(&shim)
            .cwd(scratch.join("ns/mine"))
            .spawn();
        let ready = || stranger.stdout_so_far().contains("ready");
        assert!(wait_until(PATIENCE, ready), "no process of {user}");
        ctl.configure(Path::new("/bin/true"));
        let command = ctl.command("status");
        command.run().success();
    }
}

#[test]
fn what_changes_nothing_makes_no_state_either() {
    let scratch = Scratch::new();
    let Some(ctl) = Ctl::new(&scratch, "docker", "daemon.json") else {
        return;
    };
    ctl.unconfigure();
    assert!(!scratch.join("state").exists());
}
