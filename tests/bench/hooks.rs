//! What a hook costs above a bare vfork, execve and wait of the same static program: the hooks themselves say when they run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::bench::Bench;
use crate::goals;
use crate::programs::{Kind, View};
use crate::sample::Sample;
use crate::sys::Command;

/// Hooks in a container.
const HOOKS: usize = 50;

/// The phases, as config.json names them.
const PHASES: [&str; 3] = ["createRuntime", "createContainer", "startContainer"];

struct Row {
    kind: Kind,
    /// Nothing where the program does not run.
    view: Option<View>,
    refusal: Option<String>,
    /// A container with hooks of each phase, and where they write their times.
    commands: Vec<(Command, PathBuf)>,
    /// Milliseconds a hook takes above a bare one, for each phase.
    samples: [Sample; 3],
}

/// Measures the machine as it is; a program that refuses its cgroups, where it does not.
pub fn measure(bench: &Bench, rounds: usize, warm_up: usize) -> Result<()> {
    let host = View::host()?;
    let mut rows = Vec::new();
    for kind in Kind::OCI {
        let (view, refusal) = bench.view_for(bench.program(kind)?, &host)?;
        rows.push(Row {
            kind,
            commands: commands(bench, kind, view.as_ref().unwrap_or(&host))?,
            // Where it runs in another view, what it refused is said by the first section.
            refusal: refusal.filter(|_| view.is_none()),
            view,
            samples: Default::default(),
        });
    }
    let tiny = bench.images.tiny.to_string_lossy().into_owned();
    let (times, _) = bench.images.times("bare")?;
    let times = times.to_string_lossy().into_owned();
    let bare = Command::new(&[tiny, "time".into(), times])?;
    let mut bare_sample = Sample::default();
    for round in 0..warm_up + rounds {
        let mut total = 0.0;
        for _ in 0..HOOKS {
            total += bench.time(&bare, &host)?.as_secs_f64() * 1e3;
        }
        let bare_cost = total / HOOKS as f64;
        if round >= warm_up {
            bare_sample.push(bare_cost);
        }
        for row in &mut rows {
            let Some(took) = once(bench, row)? else {
                (row.view, row.samples) = (None, Default::default());
                continue;
            };
            for (sample, took) in row.samples.iter_mut().zip(took) {
                if round >= warm_up {
                    sample.push(took - bare_cost);
                }
            }
        }
    }
    print(&rows, &bare_sample, rounds);
    Ok(())
}

/// Milliseconds from one hook to the next, for each command, run once; nothing if the program does not run.
fn once(bench: &Bench, row: &mut Row) -> Result<Option<Vec<f64>>> {
    let Some(view) = &row.view else {
        return Ok(None);
    };
    let mut took = Vec::new();
    for (command, times) in &row.commands {
        fs::write(times, "").with_context(|| format!("write {}", times.display()))?;
        if bench
            .time_or_drop(row.kind, command, view, &mut row.refusal)?
            .is_none()
        {
            return Ok(None);
        }
        match distance(times) {
            Ok(distance) => took.push(distance),
            Err(error) if row.kind == Kind::Lxcri => return Err(error.context(command.to_string())),
            Err(error) => {
                row.refusal = Some(format!("{error:#}"));
                return Ok(None);
            }
        }
    }
    Ok(Some(took))
}

/// Milliseconds from one hook to the next, from the times that they wrote (`struct timespec`).
fn distance(times: &Path) -> Result<f64> {
    let bytes = fs::read(times).with_context(|| format!("read {}", times.display()))?;
    let (numbers, _) = bytes.as_chunks::<8>();
    let (pairs, _) = numbers.as_chunks::<2>();
    ensure!(
        pairs.len() == HOOKS,
        "{} hooks have run and not {HOOKS}",
        pairs.len()
    );
    let at = |pair: [[u8; 8]; 2]| {
        let [seconds, nanoseconds] = pair.map(i64::from_ne_bytes);
        seconds * 1_000_000_000 + nanoseconds
    };
    let all = at(pairs[HOOKS - 1]) - at(pairs[0]);
    Ok(all as f64 / 1e6 / (HOOKS - 1) as f64)
}

fn commands(bench: &Bench, kind: Kind, view: &View) -> Result<Vec<(Command, PathBuf)>> {
    let program = bench.program(kind)?;
    let mut all = Vec::new();
    for phase in PHASES {
        let name = format!("hooks-{phase}");
        let (outside, inside) = bench.images.times(&format!("{}-{name}", kind.word()))?;
        // The path of a startContainer hook is one in the container, where /bin/true is the same program.
        let (path, times) = match phase {
            "startContainer" => (Path::new("/bin/true"), &inside),
            _ => (bench.images.tiny.as_path(), &outside),
        };
        // It reads the state, as hooks do; crun 1.8.1 fails now and then when one does not.
        let hook = json!({"path": path, "args": [path, "time", times], "env": ["A=1"]});
        let life = bench.life_with(program, view, &name, &["/bin/true"], |config| {
            config["hooks"] = json!({ phase: vec![hook; HOOKS] });
            if let Some(mounts) = config["mounts"].as_array_mut() {
                mounts.push(bench.images.times_mount());
            }
        })?;
        all.push((Command::new(&life)?, outside));
    }
    Ok(all)
}

fn print(rows: &[Row], bare: &Sample, rounds: usize) {
    println!(
        "\nA hook above a bare vfork, execve and wait: {HOOKS} hooks, {rounds} rounds, microseconds"
    );
    println!(
        "  bare: {:.0} (p10 {:.0}, p90 {:.0})",
        bare.median() * 1e3,
        bare.at(0.1) * 1e3,
        bare.at(0.9) * 1e3
    );
    println!(
        "  {:<18}{:<18}{:>8}{:>8}{:>8}{:>10}",
        "", "", "median", "p10", "p90", "x runc"
    );
    let median = |kind: Kind, phase: usize| {
        rows.iter()
            .find(|r| r.kind == kind)
            .map_or(f64::NAN, |r| r.samples[phase].median())
    };
    for (place, phase) in PHASES.iter().enumerate() {
        for row in rows {
            let Some(view) = &row.view else { continue };
            let sample = &row.samples[place];
            println!(
                "  {phase:<18}{:<18}{:>8.0}{:>8.0}{:>8.0}{:>10}",
                format!("{}{}", row.kind.word(), note(view)),
                sample.median() * 1e3,
                sample.at(0.1) * 1e3,
                sample.at(0.9) * 1e3,
                goals::ratio(sample.median(), median(Kind::Runc, place))
            );
        }
    }
    for row in rows {
        if let Some(refusal) = &row.refusal {
            println!("  {:<18}does not run: {refusal}", row.kind.word());
        }
    }
    for (place, phase) in PHASES.iter().enumerate() {
        let ratio = median(Kind::Lxcri, place) / median(Kind::Runc, place);
        goals::at_most(&format!("{phase}, lxcri / runc"), 0.25, Some(ratio));
    }
}

fn note(view: &View) -> String {
    match view.is_private() {
        true => format!(" ({})", view.name()),
        false => String::new(),
    }
}
