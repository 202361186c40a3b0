//! Prints what a hook costs above a bare vfork, execve and wait of the same program:
//! `cargo run --release -p hook-exec --example overhead [PROGRAM [ARGUMENT...]]`, best with a small static program.

#[allow(unsafe_code)]
mod sys;

use std::ffi::CString;
use std::path::Path;
use std::time::{Duration, Instant};

use hook_exec::{Context, run_hook};
use hook_model::{Hook, Phase};

/// Alternating rounds, so that a change of the machine's pace meets both.
const ROUNDS: usize = 2000;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if args.is_empty() {
        args = vec!["/bin/true".into()];
    }
    let hook = Hook {
        args: Some(args.clone()),
        env: Some(vec!["A=1".into()]),
        ..Hook::new(&args[0])
    };
    let argv = args
        .iter()
        .map(|arg| CString::new(arg.as_str()))
        .collect::<Result<Vec<_>, _>>()?;
    let envp = [CString::new("A=1")?];
    let state = [b' '; 500];
    let context = Context::new(&state, Path::new("/"));
    let mut stack = vec![0u128; 4096];

    let (mut bare, mut hooks) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let status = sys::bare(&argv[0], &argv, &envp, &mut stack);
        bare.push(start.elapsed());
        let start = Instant::now();
        let record = run_hook(&hook, Phase::CreateRuntime, 1, &context);
        hooks.push(start.elapsed());
        if status != 0 || !record.succeeded() {
            return Err(format!("wait status {status}, {record:?}").into());
        }
    }
    let (bare, hook) = (median(bare), median(hooks));
    println!(
        "{ROUNDS} rounds, medians: bare {bare:?}, hook {hook:?}, overhead {:?}",
        hook.saturating_sub(bare)
    );
    Ok(())
}
