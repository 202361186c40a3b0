//! lxcri-inject: what it adds to a call that is passed on, and to a `create`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lxcri_tests::cgroups::Layout;
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::goals;
use crate::programs::View;
use crate::sample::Sample;
use crate::sys::Command;

/// About the size of what engines write, in bytes.
const CONFIG_SIZE: usize = 25_000;
/// Hook files, of which every second one has conditions to be matched.
const HOOK_FILES: usize = 20;

/// The goals, and what container-hooks-runtime takes above a direct execution (read on another day): passed on, create.
const GOALS: [f64; 2] = [0.8, 1.2];
const PEER: [f64; 2] = [3.0, 4.4];

/// Measures with the tiny program as the runtime, so that only the wrapper's time and its execve are seen.
pub fn measure(bench: &Bench, program: &Path, rounds: usize, warm_up: usize) -> Result<()> {
    let files = Files::write(bench)?;
    let (tiny, program) = (text(&bench.images.tiny), text(program));
    let bundle = text(&files.bundle);
    let create = ["create", "--bundle", &bundle, "c"];
    let command = |program: &str, args: &[&str]| -> Result<Command> {
        let mut argv = vec![program.to_owned()];
        argv.extend(args.iter().map(|arg| arg.to_string()));
        let settings = format!("LXCRI_INJECT_CONFIG={}", files.settings.display());
        Ok(Command::with(&argv, &[&settings])?)
    };
    let commands = [
        command(&tiny, &["list"])?,
        command(&program, &["list"])?,
        command(&program, &create)?,
    ];
    let mut samples: [Sample; 3] = Default::default();
    let view = View::host()?;
    for round in 0..warm_up + rounds {
        for (command, sample) in commands.iter().zip(&mut samples) {
            // What was injected would not be injected again.
            files.restore()?;
            let took = bench.time(command, &view)?;
            if round >= warm_up {
                sample.add(took);
            }
        }
    }
    print(&samples, rounds);
    Ok(())
}

fn print([direct, passed_on, create]: &[Sample; 3], rounds: usize) {
    println!("\nlxcri-inject above a direct execution: {rounds} rounds, milliseconds");
    println!(
        "  {:<26}{:>8}{:>8}{:>8}{:>13}",
        "", "median", "p10", "p90", "above"
    );
    let row = |name: &str, sample: &Sample, above: &str| {
        let (median, p10, p90) = (sample.median(), sample.at(0.1), sample.at(0.9));
        println!("  {name:<26}{median:>8.2}{p10:>8.2}{p90:>8.2}{above:>13}");
    };
    row("direct", direct, "");
    for (i, (name, sample)) in [("passed on", passed_on), ("create", create)]
        .into_iter()
        .enumerate()
    {
        let above = sample.median() - direct.median();
        row(name, sample, &format!("+{above:.2}"));
        goals::at_most(
            &format!("{name} (container-hooks-runtime: +{:.1})", PEER[i]),
            GOALS[i],
            Some(above),
        );
    }
}

/// What the wrapper reads, on a tmpfs.
struct Files {
    settings: PathBuf,
    bundle: PathBuf,
    config: String,
}

impl Files {
    fn write(bench: &Bench) -> Result<Files> {
        let bundle = bench
            .images
            .bundle("inject", &["/bin/true"], Layout::of_host(), |_| {})?;
        let directory = bundle.join("hooks.d");
        fs::create_dir(&directory).context("mkdir hooks.d")?;
        for i in 0..HOOK_FILES {
            let when = match i % 2 {
                0 => json!({"always": true}),
                _ => {
                    json!({"annotations": {format!("^com\\.example\\.device-{i}$"): "^(yes|true|[1-9][0-9]*)$"}})
                }
            };
            let hook = json!({"path": bench.images.tiny, "args": ["hook", format!("--number={i}")], "timeout": 10});
            let file = json!({"version": "1.0.0", "hook": hook, "when": when, "stages": ["createRuntime"]});
            fs::write(directory.join(format!("{i:02}.json")), file.to_string())
                .context("write a hook file")?;
        }
        let settings = bundle.join("inject.toml");
        let content = format!(
            "runtimes = [{:?}]\nhooks-dirs = [{directory:?}]\n",
            bench.images.tiny
        );
        fs::write(&settings, content).context("write inject.toml")?;
        let files = Files {
            config: padded(&bundle)?,
            settings,
            bundle,
        };
        Ok(files)
    }

    fn restore(&self) -> Result<()> {
        fs::write(self.bundle.join("config.json"), &self.config).context("write config.json")
    }
}

/// The config.json of a bundle with as many variables as it takes, and an annotation for each hook to be matched with.
fn padded(bundle: &Path) -> Result<String> {
    let content = fs::read(bundle.join("config.json")).context("read config.json")?;
    let mut config: Value = serde_json::from_slice(&content)?;
    config["annotations"] = json!({"com.example.device-1": "yes", "com.example.name": "bench"});
    let entries = CONFIG_SIZE.saturating_sub(content.len()) / 50;
    let variables = (0..entries).map(|i| json!(format!("VARIABLE_{i:03}=a value of some length")));
    if let Some(env) = config["process"]["env"].as_array_mut() {
        env.extend(variables);
    }
    Ok(serde_json::to_string_pretty(&config)?)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
