//! lxc-start that is executed before there is a container: that it is held until then, and what happens where it cannot be.

use std::path::{Path, PathBuf};

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::copy_program;
use lxcri_tests::container::Container;
use lxcri_tests::phase::PHASES;
use lxcri_tests::probe::Records;
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;
use lxcri_tests::{leaks, need};
use serde_json::json;

/// The library that holds it, beside the launcher.
const LIBRARY: &str = "liblxc_gate.so";
/// What --log-level debug says when it was held.
const HELD: &str = "was held until now";

/// What may lie in the place of the library.
enum Beside {
    Nothing,
    /// The dynamic linker refuses it.
    Text,
    /// The dynamic linker loads it, and it holds nothing.
    Other(PathBuf),
}

/// Runs a container with a hook in each phase and returns what its log says.
fn log_of_a_life(runtime: &Runtime, id: &str) -> String {
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.shell("tr '\\0' '\\n' < /proc/self/environ; echo end");
    for phase in &PHASES {
        let path = bundle.probe_as(phase.name, |orders| orders);
        bundle.hook(phase, json!({ "path": path }));
    }
    let records = bundle.records_file();
    let container = Container::new(runtime, &scratch, &mut bundle, id);
    let log = scratch.join("log");
    let outcome = container
        .command()
        .args(["--log-level", "debug", "--log"])
        .arg(&log)
        .args(["run", "--bundle"])
        .arg(container.bundle_path())
        .arg(&container.id)
        .run()
        .success();
    assert!(outcome.stdout.ends_with("end\n"), "{}", outcome.brief());
    assert!(
        !outcome.stdout.contains("LD_PRELOAD"),
        "{}",
        outcome.brief()
    );
    let records = Records::read(&records);
    let labels = records.labels("start").into_iter();
    let ran: Vec<_> = labels.filter_map(|l| l.split(':').nth(1)).collect();
    assert_eq!(ran, PHASES.each_ref().map(|phase| phase.name));
    assert!(!container.is_on_disk());
    leaks::assert_none(scratch.marker());
    std::fs::read_to_string(log).unwrap_or_default()
}

#[test]
fn it_is_held_until_there_is_a_container() {
    let Some(runtime) = need::lxcri() else {
        return;
    };
    let log = log_of_a_life(runtime, "held");
    assert_eq!(log.matches(HELD).count(), 1, "{log}");
}

/// Nothing of the container is made while an lxc-start runs that is not held; another one is executed.
#[test]
fn a_container_starts_where_it_cannot_be_held() {
    let Some(runtime) = need::lxcri() else {
        return;
    };
    let c_library = ["/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/lib64"]
        .map(|directory| Path::new(directory).join("libm.so.6"));
    let Some(other) = c_library.into_iter().find(|path| path.exists()) else {
        return need::skip("no libm.so.6");
    };
    let programs = runtime.program.parent().unwrap_or(Path::new("/"));
    for (number, beside) in [Beside::Nothing, Beside::Text, Beside::Other(other)]
        .into_iter()
        .enumerate()
    {
        let scratch = Scratch::new();
        let directory = scratch.mkdir("bin");
        for name in ["lxcri", "lxcri-hook"] {
            copy_program(&programs.join(name), &directory.join(name));
        }
        match beside {
            Beside::Nothing => {}
            Beside::Text => drop(scratch.write(format!("bin/{LIBRARY}"), "no library")),
            Beside::Other(library) => copy_program(&library, &directory.join(LIBRARY)),
        }
        let runtime = runtime.with_program(directory.join("lxcri"));
        let log = log_of_a_life(&runtime, &format!("free{number}"));
        assert!(!log.contains(HELD), "{log}");
    }
}

/// It waits while the bundle is checked, and must not survive a bundle that is refused.
#[test]
fn a_bundle_that_is_refused_leaves_none() {
    let Some(runtime) = need::lxcri() else {
        return;
    };
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["process"]["cwd"] = json!("relative");
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    let error = container.create().failure().error();
    assert!(error.contains("/process/cwd"), "{error}");
    assert!(!container.is_on_disk());
    leaks::assert_none(scratch.marker());
}
