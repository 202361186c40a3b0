//! The whole life of a container that runs /bin/true.

use std::fs;
use std::time::Duration;

use lxcri_tests::bundle::{Bundle, Image};
use lxcri_tests::cgroups::Layout;
use lxcri_tests::command::{Cmd, Outcome, find_program};
use lxcri_tests::container::Container;
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;

use crate::{median, milliseconds};

/// Someone who takes part.
struct Candidate<'a> {
    name: String,
    run: Box<dyn Fn() -> Outcome + 'a>,
    times: Vec<Duration>,
    failure: Option<String>,
}

/// Measures and prints one table.
pub fn print(runtimes: &[Runtime], layout: Layout, rounds: usize) {
    let scratch = Scratch::new();
    let mut bundle = Bundle::new(&scratch, Image::Busybox);
    bundle.config["process"]["args"] = serde_json::json!(["/bin/true"]);
    bundle.save();
    let mut all: Vec<Candidate<'_>> = Vec::new();
    for runtime in runtimes {
        let container = Container::of_saved(runtime, &scratch, &bundle, &runtime.name());
        all.push(Candidate::new(
            format!("{} run", runtime.name()),
            move || container.running().run(),
        ));
    }
    if let (Some(program), Some(runtime)) = (find_program("lxc-start"), runtimes.first()) {
        let command = lxc_start(program, &scratch, &bundle).view(runtime.view());
        all.push(Candidate::new("lxc-start -F".into(), move || command.run()));
    }
    for round in 0..rounds + 2 {
        for candidate in &mut all {
            candidate.turn(round >= 2);
        }
    }
    println!("\nwhole life of /bin/true, cgroups: {layout:?}, median of {rounds}\n");
    let own = all
        .first_mut()
        .map(|c| median(&mut c.times))
        .unwrap_or_default();
    for candidate in &mut all {
        match &candidate.failure {
            Some(failure) => println!("  {:<14} does not run: {failure:.80}", candidate.name),
            None => {
                let time = median(&mut candidate.times);
                let ratio = own.as_secs_f64() / time.as_secs_f64();
                println!(
                    "  {:<14} {:>7.1} ms   lxcri takes {ratio:.2} of it",
                    candidate.name,
                    milliseconds(time)
                );
            }
        }
    }
}

impl<'a> Candidate<'a> {
    fn new(name: String, run: impl Fn() -> Outcome + 'a) -> Self {
        Candidate {
            name,
            run: Box::new(run),
            times: Vec::new(),
            failure: None,
        }
    }

    fn turn(&mut self, counts: bool) {
        if self.failure.is_some() {
            return;
        }
        let outcome = (self.run)();
        if !outcome.ok() {
            self.failure = Some(outcome.error());
        } else if counts {
            self.times.push(outcome.took);
        }
    }
}

/// LXC's own container of the same image, with the mounts that it makes for everyone.
fn lxc_start(program: std::path::PathBuf, scratch: &Scratch, bundle: &Bundle<'_>) -> Cmd {
    let name = scratch.id("lxc");
    let directory = scratch.mkdir(format!("lxc/{name}"));
    let text = format!(
        "lxc.rootfs.path = dir:{}\nlxc.uts.name = bench\nlxc.net.0.type = empty\nlxc.mount.auto = proc:mixed sys:ro\nlxc.tty.max = 0\n",
        bundle.rootfs().display()
    );
    if let Err(e) = fs::write(directory.join("config"), text) {
        eprintln!("bench: {}: {e}", directory.display());
    }
    Cmd::new(program)
        .arg("-F")
        .arg("-P")
        .arg(scratch.join("lxc"))
        .args(["-n", &name, "--", "/bin/true"])
}
