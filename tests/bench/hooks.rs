//! What a hook costs above a bare vfork, execve and wait of the same static program.

use anyhow::Result;
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::goals;
use crate::programs::{Kind, View};
use crate::sample::Sample;
use crate::sys::Command;

/// Hooks in a container; the difference between many and none is shared by as many.
const HOOKS: usize = 50;

/// The phases, as config.json names them.
const PHASES: [&str; 3] = ["createRuntime", "createContainer", "startContainer"];

struct Row {
    kind: Kind,
    /// Nothing where the program does not run.
    view: Option<View>,
    refusal: Option<String>,
    /// Without hooks, then with those of each phase.
    commands: Vec<Command>,
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
            commands: commands(bench, kind)?,
            // Where it runs in another view, what it refused is said by the first section.
            refusal: refusal.filter(|_| view.is_none()),
            view,
            samples: Default::default(),
        });
    }
    let tiny = bench.images.tiny.to_string_lossy().into_owned();
    let bare = Command::new(&[tiny, "read".into()])?;
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
            for (sample, with) in row.samples.iter_mut().zip(&took[1..]) {
                if round >= warm_up {
                    sample.push((with - took[0]) / HOOKS as f64 - bare_cost);
                }
            }
        }
    }
    print(&rows, &bare_sample, rounds);
    Ok(())
}

/// Milliseconds of each command, run once; nothing if the program does not run.
fn once(bench: &Bench, row: &mut Row) -> Result<Option<Vec<f64>>> {
    let Some(view) = &row.view else {
        return Ok(None);
    };
    let mut took = Vec::new();
    for command in &row.commands {
        match bench.time_or_drop(row.kind, command, view, &mut row.refusal)? {
            Some(time) => took.push(time.as_secs_f64() * 1e3),
            None => return Ok(None),
        }
    }
    Ok(Some(took))
}

fn commands(bench: &Bench, kind: Kind) -> Result<Vec<Command>> {
    let program = bench.program(kind)?;
    let life = |name: &str, hooks: Value| -> Result<Command> {
        Ok(Command::new(&bench.life(
            program,
            name,
            &["/bin/true"],
            hooks,
        )?)?)
    };
    let mut all = vec![life("hooks-none", Value::Null)?];
    for phase in PHASES {
        // The path of a startContainer hook is one in the container, where /bin/true is the same program.
        let path = match phase {
            "startContainer" => "/bin/true".into(),
            _ => bench.images.tiny.to_string_lossy().into_owned(),
        };
        // It reads the state, as hooks do; crun 1.8.1 fails now and then when one does not.
        let hook = json!({"path": path, "args": [path, "read"], "env": ["A=1"]});
        let list = vec![hook; HOOKS];
        all.push(life(&format!("hooks-{phase}"), json!({ phase: list }))?);
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
