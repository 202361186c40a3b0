//! Checks of lives in which every hook succeeds: order, moment, namespaces, path, argv.

use std::fs;
use std::os::unix::fs::MetadataExt;

use lxcri_tests::bundle::Bundle;
use lxcri_tests::phase::{PHASES, Phase, Place, Step};
use lxcri_tests::runtime::Runtime;
use lxcri_tests::scratch::Scratch;
use serde_json::json;

use crate::life::{self, Life, PROCESS, file_name, label};
use crate::table::{Report, hold, same};
use crate::{environment, process, state};

/// argv of hook #1, the name different from the path.
const ARGV: [&str; 7] = [
    "argv-zero",
    "--flag",
    "two words",
    "",
    "line1\nline2",
    "gr\u{fc}n",
    "$HOME `id` 'q' \"d\" \\",
];

/// Kinds of namespaces that the bundle makes new, and that `user` is not among.
const NEW: [&str; 6] = ["cgroup", "ipc", "mnt", "net", "pid", "uts"];

/// Makes and judges the life.
pub fn run(report: &mut Report, runtime: &Runtime) {
    let scratch = Scratch::new();
    let mut bundle = life::bundle(&scratch);
    let host_only = scratch.write("host-only", "");
    bundle.config["process"]["env"] = json!(environment::CONTAINER);
    bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    bundle.config["annotations"] = state::annotations();
    for phase in &PHASES {
        let observe = |orders: lxcri_tests::probe::Orders| {
            let seen = bundle_mount(&scratch);
            orders
                .with("stdin", "read")
                .with("see", host_only.display())
                .with("see", seen.display())
        };
        life::add(
            &mut bundle,
            phase,
            1,
            json!({"args": ARGV, "env": environment::HOOK}),
            observe,
        );
        life::add(&mut bundle, phase, 2, json!({}), |orders| {
            orders.with("stdin", "read")
        });
        life::add(
            &mut bundle,
            phase,
            3,
            json!({"args": ["third"], "env": []}),
            |orders| orders,
        );
    }
    let life = life::live(runtime, &scratch, &mut bundle, &|cmd| cmd);
    for phase in &PHASES {
        report.check("order", phase, order(&life, phase));
        report.check("moment", phase, moment(&life, phase, &scratch, &bundle));
        for kind in NEW {
            report.check(
                namespace_row(kind),
                phase,
                namespace(&life, phase, kind, runtime),
            );
        }
        report.check("path", phase, path(&life, phase, &scratch));
        report.check(
            "argv",
            phase,
            life.hook(phase, 1)
                .and_then(|r| same(r.texts("argv"), ARGV.to_vec())),
        );
        report.check("argv missing", phase, argv_missing(&life, phase));
        environment::checks(report, &life, phase);
        state::checks(report, &life, phase, &bundle);
        process::checks(report, &life, phase, &bundle);
    }
    user_namespace(report, runtime);
    time_namespace(report, runtime);
    process::hostile_caller(report, runtime);
}

fn namespace_row(kind: &str) -> &'static str {
    match kind {
        "cgroup" => "namespace cgroup",
        "ipc" => "namespace ipc",
        "mnt" => "namespace mount",
        "net" => "namespace network",
        "pid" => "namespace pid",
        "time" => "namespace time",
        "user" => "namespace user",
        _ => "namespace uts",
    }
}

/// Where a hook before pivot_root sees the container's bind mount.
fn bundle_mount(scratch: &Scratch) -> std::path::PathBuf {
    let mounted = scratch.join("out/records.jsonl");
    scratch
        .join("bundle/rootfs")
        .join(mounted.strip_prefix("/").unwrap_or(&mounted))
}

/// Three hooks, each once, in the listed order, the next only when the one before has ended.
fn order(life: &Life, phase: &Phase) -> Result<(), String> {
    let labels: Vec<String> = (1..=3).map(|n| label(phase, n)).collect();
    let ours: Vec<&str> = life
        .records
        .labels("start")
        .into_iter()
        .filter(|l| labels.iter().any(|o| o == l))
        .collect();
    same(ours, labels.iter().map(String::as_str).collect())?;
    for n in 1..=2 {
        let end = life
            .records
            .get("end", &labels[n - 1])
            .ok_or(format!("hook #{n} did not end"))?;
        let next = life.hook(phase, n + 1)?;
        hold(end.number("mono_ns") <= next.number("mono_ns"), || {
            format!("hook #{} began before #{n} had ended", n + 1)
        })?;
    }
    let before = PHASES.iter().take_while(|p| *p != phase).last();
    let Some(before) = before else { return Ok(()) };
    let (last, first) = (life.hook(before, 3)?, life.hook(phase, 1)?);
    hold(last.number("mono_ns") <= first.number("mono_ns"), || {
        format!("began before {} was done", before.name)
    })
}

/// The right command, and the right moment in it.
fn moment(
    life: &Life,
    phase: &Phase,
    scratch: &Scratch,
    bundle: &Bundle<'_>,
) -> Result<(), String> {
    let name = label(phase, 1);
    let record = life.hook(phase, 1)?;
    let (created, started) = (
        life.after_create.started(&name).is_some(),
        life.after_start.started(&name).is_some(),
    );
    let step = if created {
        Step::Create
    } else if started {
        Step::Start
    } else {
        Step::Delete
    };
    same(step, phase.step)?;
    let process = life.process()?;
    let program_ran = process.number("mono_ns") < record.number("mono_ns");
    match phase.name {
        "prestart" | "createRuntime" => {
            let target = &record.0["target"];
            let mounts = target["mountinfo"].as_str().unwrap_or_default();
            let point = scratch.join("out");
            hold(
                mounts.contains(&format!("rootfs{} ", point.display())),
                || "the container's mounts are not in /proc/PID/mountinfo".into(),
            )?;
            let host_root = fs::metadata("/")
                .map(|m| format!("{}:{}", m.dev(), m.ino()))
                .unwrap_or_default();
            same(target["root_id"].as_str().unwrap_or("nothing"), &host_root)
                .map_err(|e| format!("root of PID: {e}"))
        }
        "createContainer" => {
            hold(
                record.sees(&scratch.join("host-only").to_string_lossy()),
                || "host's files are out of sight".into(),
            )?;
            // LXC binds the root file system elsewhere, so the mount is looked for below the state's bundle and in cwd.
            let seen = record.sees(&bundle_mount(scratch).to_string_lossy());
            let rootfs = fs::metadata(bundle.rootfs())
                .map(|m| format!("{}:{}", m.dev(), m.ino()))
                .unwrap_or_default();
            hold(seen || record.text("cwd_id") == rootfs, || {
                "the container's mounts are out of sight".into()
            })
        }
        "startContainer" => {
            hold(
                !record.sees(&scratch.join("host-only").to_string_lossy()),
                || "host's files are in sight".into(),
            )?;
            hold(!program_ran, || "the program had been executed".into())
        }
        "poststart" => {
            let command = record.0["target"]["cmdline"]
                .as_str()
                .unwrap_or_default()
                .to_string();
            hold(command.starts_with("/probe\0"), || {
                "the program had not been executed".into()
            })
        }
        _ => {
            let end = life
                .records
                .get("end", PROCESS)
                .ok_or("the process did not end")?;
            hold(end.number("mono_ns") < record.number("mono_ns"), || {
                "the process had not ended".into()
            })?;
            hold(
                record.0["target"].is_null() || record.0["target"]["ns"] == json!({}),
                || "PID still lives".into(),
            )
        }
    }
}

/// A hook's namespace is the container's, or the one that the runtime was called in.
fn namespace(life: &Life, phase: &Phase, kind: &str, runtime: &Runtime) -> Result<(), String> {
    let found = life.hook(phase, 1)?.0["ns"][kind]
        .as_str()
        .unwrap_or("unknown")
        .to_string();
    let container = life.process()?.0["ns"][kind]
        .as_str()
        .unwrap_or("unknown")
        .to_string();
    let caller = match kind {
        "mnt" => runtime.mount_namespace(),
        _ => fs::read_link(format!("/proc/self/ns/{kind}"))
            .ok()
            .map(|l| l.to_string_lossy().into_owned()),
    };
    let caller = caller.ok_or("the test's own namespace is unknown")?;
    hold(caller != container, || {
        "the container has no namespace of its own".into()
    })?;
    let expected = if phase.place == Place::Runtime {
        &caller
    } else {
        &container
    };
    let whose = if found == caller {
        "the caller's"
    } else if found == container {
        "the container's"
    } else {
        "another"
    };
    hold(&found == expected, || format!("it is {whose}"))
}

/// Resolved on the right side, and executed under exactly this path.
fn path(life: &Life, phase: &Phase, scratch: &Scratch) -> Result<(), String> {
    let expected = scratch.join("hooks").join(file_name(phase, 1));
    same(
        life.hook(phase, 1)?.text("execfn"),
        &expected.to_string_lossy(),
    )
}

fn argv_missing(life: &Life, phase: &Phase) -> Result<(), String> {
    let record = life.hook(phase, 2)?;
    same(record.texts("argv"), vec![record.text("execfn")])
}

/// The same hooks around a container with a user namespace of its own.
fn user_namespace(report: &mut Report, runtime: &Runtime) {
    let scratch = Scratch::new();
    let mut bundle = life::bundle(&scratch);
    life::add_everywhere(&mut bundle, 1, |orders| orders.with("stdin", "read"));
    bundle.user_namespace(100_000, 65_536);
    let life = life::live(runtime, &scratch, &mut bundle, &|cmd| cmd);
    for phase in &PHASES {
        let result = namespace(&life, phase, "user", runtime);
        report.check(
            namespace_row("user"),
            phase,
            result.and_then(|()| same(life.hook(phase, 1)?.numbers("uid")[0], 0)),
        );
    }
}

/// The same hooks around a container with a time namespace, where kernel and runtime know such a thing.
fn time_namespace(report: &mut Report, runtime: &Runtime) {
    let scratch = Scratch::new();
    let mut bundle = life::bundle(&scratch);
    life::add_everywhere(&mut bundle, 1, |orders| orders);
    if let Some(list) = bundle.config["linux"]["namespaces"].as_array_mut() {
        list.push(json!({"type": "time"}));
    }
    bundle.config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1000}});
    let life = life::live(runtime, &scratch, &mut bundle, &|cmd| cmd);
    for phase in &PHASES {
        match &life.create {
            outcome if !outcome.ok() => report.skip(
                namespace_row("time"),
                phase,
                &format!("refused: {}", outcome.error()),
            ),
            _ => report.check(
                namespace_row("time"),
                phase,
                namespace(&life, phase, "time", runtime),
            ),
        }
    }
}
