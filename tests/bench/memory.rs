//! The launcher's size and peak memory, and what a runtime holds for an idle container.

use std::fs;
use std::path::Path;
use std::time::Duration;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::command::{Cmd, find_program, wait_until};
use lxcri_tests::container::Container;
use lxcri_tests::leaks;
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;

/// Measures and prints.
pub fn print(runtimes: &[Runtime]) {
    println!("\nmemory\n");
    if let Some(lxcri) = runtimes.iter().find(|r| r.is_lxcri()) {
        launcher(&lxcri.program.with_file_name("lxcri-hook"));
    }
    for runtime in runtimes {
        match held(runtime) {
            Ok((processes, kilobytes)) => println!(
                "  {:<10} holds {processes} processes and {kilobytes} KiB for an idle container, besides its own process",
                runtime.name()
            ),
            Err(e) => println!("  {:<10} does not run: {e:.80}", runtime.name()),
        }
    }
}

/// Runs the launcher on a tree with one hook that sleeps, and looks at it meanwhile.
fn launcher(program: &Path) {
    let size = fs::metadata(program).map(|m| m.len()).unwrap_or_default();
    println!("  lxcri-hook has {size} bytes");
    let Some(busybox) = find_program("busybox") else {
        return;
    };
    let scratch = Scratch::new();
    scratch.mkdir("hooks/create-container/1");
    scratch.write(
        "hooks/create-container/1/cmdline",
        format!("{}\0busybox\0sleep\x002\0", busybox.display()),
    );
    scratch.write("hooks/create-container/1/environ", "");
    let state = format!(
        r#"{{"ociVersion":"1.0.2","id":"x","status":"creating","pid":1,"bundle":"{}"}}"#,
        scratch.path().display()
    );
    scratch.write("state.json", &state);
    scratch.mkdir("guest");
    scratch.write("guest/state.json", &state);
    let running = Cmd::new(program)
        .arg("create-container")
        .arg(scratch.path())
        .deadline(Duration::from_secs(5))
        .spawn();
    let status = format!("/proc/{}/status", running.pid());
    // Once its hook runs, it has used what it needs.
    wait_until(Duration::from_secs(1), || {
        !leaks::children(running.pid()).is_empty()
    });
    let text = fs::read_to_string(status).unwrap_or_default();
    let peak = text
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or(" unknown")
        .trim();
    println!("  lxcri-hook has a peak memory of {peak} while a hook runs");
    drop(running);
}

/// Number and resident memory of the processes of an idle container that are not its own.
fn held(runtime: &Runtime) -> Result<(usize, u64), String> {
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["process"]["args"] = serde_json::json!(["/bin/sleep", "60"]);
    let container = Container::new(runtime, &scratch, &mut bundle, "c");
    for outcome in [container.create(), container.start()] {
        if !outcome.ok() {
            return Err(outcome.error());
        }
    }
    let own = container.pid();
    let others: Vec<i32> = leaks::processes(scratch.marker())
        .into_iter()
        .map(|(pid, _)| pid)
        .filter(|pid| Some(*pid) != own)
        .collect();
    Ok((others.len(), others.iter().map(|&pid| resident(pid)).sum()))
}

fn resident(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or_default()
}
