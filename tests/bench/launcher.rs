//! The launcher: its size, and its peak memory as it runs a hook in each place and as it waits for `start`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lxcri_tests::cgroups::Layout;
use lxcri_tests::command::{Cmd, quiet, wait_until};
use lxcri_tests::leaks;
use serde_json::json;

use crate::bench::Bench;
use crate::goals;
use crate::idle::{field, pss};
use crate::programs::{Kind, reason};

/// The size that the launcher may have, KiB.
const LIMIT: f64 = 16.0;

/// Prints the figures of the launcher in `file`.
pub fn measure(bench: &Bench, file: &Path) -> Result<()> {
    let kib = |path: &Path| -> Result<f64> {
        let status = fs::metadata(path).with_context(|| format!("stat {}", path.display()))?;
        Ok(status.len() as f64 / 1024.0)
    };
    println!("\nThe launcher, KiB");
    println!("  {:<48}{:>8.1}", "file", kib(file)?);
    let stripped = bench.scratch.join("stripped");
    let (from, to) = (file.to_string_lossy(), stripped.to_string_lossy());
    let size = match quiet("strip", &["-o", &to, &from]) {
        true => Some(kib(&stripped)?),
        false => None,
    };
    match size {
        Some(size) => println!("  {:<48}{size:>8.1}", "file, stripped"),
        None => println!("  {:<48}{:>8}", "file, stripped", "no strip"),
    }
    for (what, peak) in peaks(bench, file)? {
        println!("  {what:<48}{peak:>8}");
    }
    goals::at_most("launcher's size stripped, KiB", LIMIT, size);
    Ok(())
}

/// The life of one container with hooks that take their time.
fn peaks(bench: &Bench, file: &Path) -> Result<Vec<(&'static str, u64)>> {
    let program = bench.program(Kind::Lxcri)?;
    let id = bench.scratch.id("launcher");
    let tiny = &bench.images.tiny;
    let hook = |path: &Path| json!([{"path": path, "args": [path, "sleep"]}]);
    let hooks =
        json!({"createContainer": hook(tiny), "startContainer": hook(Path::new("/bin/true"))});
    let bundle =
        bench
            .images
            .bundle(&id, &["/bin/true", "pause"], Layout::of_host(), |config| {
                config["hooks"] = hooks
            })?;
    let pid_file = bench.scratch.join("launcher.pid");
    let verb = |verb: &str| {
        let argv = program.global(&bench.state);
        Cmd::new(&argv[0]).args(&argv[1..]).arg(verb)
    };
    // Executed from bind mounts of its file, under other names.
    let identity = |path: &Path| fs::metadata(path).map(|m| (m.dev(), m.ino())).ok();
    let own = identity(file);
    let is_launcher =
        |pid: i32| own.is_some() && identity(Path::new(&format!("/proc/{pid}/exe"))) == own;

    let mut create = verb("create")
        .arg("--bundle")
        .arg(&bundle)
        .arg("--pid-file")
        .arg(&pid_file)
        .arg(&id)
        .spawn();
    let mut in_hook = 0;
    wait_until(Duration::from_secs(5), || {
        let all = leaks::processes(bench.scratch.marker());
        for (pid, line) in all {
            if line.contains(" create-container ") && is_launcher(pid) {
                in_hook = in_hook.max(peak(pid));
            }
        }
        create.ended()
    });
    let outcome = create.wait();
    ensure!(outcome.ok(), "lxcri create: {}", reason(&outcome));
    ensure!(
        in_hook > 0,
        "the launcher in the createContainer phase was not seen"
    );

    let text =
        fs::read_to_string(&pid_file).with_context(|| format!("read {}", pid_file.display()))?;
    let pid: i32 = text.trim().parse().context("pid file")?;
    ensure!(
        is_launcher(pid),
        "the created container's init, {pid}, is not the launcher"
    );
    let (waiting, share) = (peak(pid), pss(pid));

    let mut start = verb("start").arg(&id).spawn();
    let mut as_init = 0;
    wait_until(Duration::from_secs(5), || {
        let now = peak(pid);
        // Looked at afterwards: the figure counts only if it was still the launcher's.
        if is_launcher(pid) {
            as_init = as_init.max(now);
        }
        start.ended()
    });
    let outcome = start.wait();
    ensure!(outcome.ok(), "lxcri start: {}", reason(&outcome));
    let outcome = verb("delete").arg("--force").arg(&id).run();
    ensure!(outcome.ok(), "lxcri delete: {}", reason(&outcome));
    Ok(vec![
        ("peak (VmHWM) with a createContainer hook", in_hook),
        ("peak of init that waits for start", waiting),
        ("PSS of init that waits for start", share),
        ("peak of init with a startContainer hook", as_init),
    ])
}

/// Peak resident memory of a process in KiB, 0 when it is gone.
fn peak(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    field(&text, "VmHWM:").unwrap_or(0)
}
