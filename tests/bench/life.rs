//! The whole life of a container that runs /bin/true: each program once a round, in turn, with a pause before each and without.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use lxcri_tests::cgroups::Layout;

use crate::bench::Bench;
use crate::goals;
use crate::programs::{Kind, View};
use crate::sample::Sample;
use crate::sys::Command;

/// The pause before a run. What the kernel keeps ready for a moment after a container (a lock of all cgroups, above all) is gone
/// after some 20 ms, as it is when an engine starts a container now and then.
const PAUSE: Duration = Duration::from_millis(100);

struct Row {
    kind: Kind,
    name: String,
    /// Nothing where the program does not run.
    run: Option<(Command, View)>,
    refusal: Option<String>,
    sample: Sample,
}

/// Measures on the machine as it is and, if it is hybrid, where it looks like v2. Runs with a pause are half as many.
pub fn measure(bench: &Bench, rounds: usize, warm_up: usize) -> Result<()> {
    let mut views = vec![View::host()?];
    if Layout::of_host() == Layout::Hybrid {
        views.push(View::of(Layout::V2)?);
    }
    let paces = [(PAUSE, rounds.div_ceil(2)), (Duration::ZERO, rounds)];
    for (view, (pause, rounds)) in views.iter().flat_map(|v| paces.map(|pace| (v, pace))) {
        let mut rows = Vec::new();
        for program in &bench.programs {
            rows.push(row(bench, program.kind, view)?);
        }
        for round in 0..warm_up + rounds {
            for row in &mut rows {
                let Some((command, view)) = &row.run else {
                    continue;
                };
                sleep(pause);
                match bench.time_or_drop(row.kind, command, view, &mut row.refusal)? {
                    Some(took) if round >= warm_up => row.sample.add(took),
                    Some(_) => {}
                    None => (row.run, row.sample) = (None, Sample::default()),
                }
            }
        }
        print(view, &rows, pause, rounds);
    }
    Ok(())
}

fn row(bench: &Bench, kind: Kind, view: &View) -> Result<Row> {
    let program = bench.program(kind)?;
    let (own, refusal) = bench.view_for(program, view)?;
    let mut name = match kind {
        Kind::Lxcri => "lxcri run",
        Kind::Lxc => "lxc-start -F",
        Kind::LxcBare => "lxc-start -F, no mounts",
        Kind::Runc => "runc run",
        Kind::Crun => "crun run",
    }
    .to_string();
    let run = match own {
        Some(own) => {
            if own.name() != view.name() {
                name += &format!(" ({})", own.name());
            }
            let life = bench.life(program, &own, "life", &["/bin/true"])?;
            Some((Command::new(&life)?, own))
        }
        None => None,
    };
    Ok(Row {
        kind,
        name,
        run,
        refusal,
        sample: Sample::default(),
    })
}

fn print(view: &View, rows: &[Row], pause: Duration, rounds: usize) {
    let median = |kind: Kind| {
        rows.iter()
            .find(|r| r.kind == kind)
            .map_or(f64::NAN, |r| r.sample.median())
    };
    let own = median(Kind::Lxcri);
    let pace = match pause.as_millis() {
        0 => "one after the other".to_string(),
        ms => format!("{ms} ms of rest before each"),
    };
    println!(
        "\nWhole life of /bin/true, {}, {pace}: {rounds} rounds, milliseconds",
        view.name()
    );
    println!(
        "  {:<26}{:>8}{:>8}{:>8}{:>13}{:>10}",
        "", "median", "p10", "p90", "x lxc-start", "x runc"
    );
    for row in rows {
        if let Some(refusal) = &row.refusal {
            println!("  {:<26}does not run: {refusal}", row.kind.word());
        }
        if row.run.is_some() {
            let m = row.sample.median();
            println!(
                "  {:<26}{m:>8.2}{:>8.2}{:>8.2}{:>13}{:>10}",
                row.name,
                row.sample.at(0.1),
                row.sample.at(0.9),
                goals::ratio(m, median(Kind::Lxc)),
                goals::ratio(m, median(Kind::Runc))
            );
        }
    }
    let ratio = |kind: Kind| Some(own / median(kind));
    goals::at_most("lxcri / runc", 0.5, ratio(Kind::Runc));
    goals::below("lxcri / crun", 1.0, ratio(Kind::Crun));
    goals::at_most("lxcri / lxc-start -F", 1.0, ratio(Kind::Lxc));
}
