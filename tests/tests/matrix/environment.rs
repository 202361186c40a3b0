//! Checks of a hook's environment: exactly what the bundle says, and nothing from anywhere else.

use lxcri_tests::command::{CALLER_LEAK, CALLER_PATH};
use lxcri_tests::phase::{Phase, Place};

use crate::life::Life;
use crate::table::{Report, hold, same};

/// The environment of hook #1.
pub const HOOK: [&str; 6] = [
    "LXT_PLAIN=1",
    "PATH=/hook/bin",
    "LXT_EMPTY=",
    "LXT_EQUALS=a=b=c",
    "LXT_LINES=line1\nline2",
    "LXT_UTF=gr\u{fc}n",
];

/// The environment of the container's process. The first two must reach no hook that runs outside.
pub const CONTAINER: [&str; 4] = [
    "LD_PRELOAD=/container/preload.so",
    "LXCRI_TEST_CONTAINER=leak",
    "PATH=/container/bin:/bin",
    "TERM=xterm",
];

/// What a hook without `env` gets.
const DEFAULT: [&str; 1] = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];

/// Checks of one phase: hook #1 has an environment, #2 has no `env`, #3 an empty one.
pub fn checks(report: &mut Report, life: &Life, phase: &Phase) {
    let of = |n: usize| life.hook(phase, n).map(|record| record.texts("env"));
    report.check("env", phase, of(1).and_then(|env| same(env, HOOK.to_vec())));
    report.check(
        "env missing",
        phase,
        of(2).and_then(|env| same(env, missing(phase))),
    );
    report.check(
        "env empty",
        phase,
        of(3).and_then(|env| same(env, Vec::new())),
    );
    for (row, leak) in [
        ("no caller's env", Source::Caller),
        ("no container's env", Source::Container),
        ("no runtime's env", Source::Runtime),
    ] {
        if leak == Source::Container && phase.place == Place::Inside {
            // Without `env` a startContainer hook has the environment of the process, by design.
            report.check(row, phase, of(1).and_then(|env| clean(&env, &HOOK, leak)));
            continue;
        }
        let all = || -> Result<(), String> {
            clean(&of(1)?, &HOOK, leak)?;
            clean(&of(2)?, &missing(phase), leak)?;
            clean(&of(3)?, &[], leak)
        };
        report.check(row, phase, all());
    }
}

fn missing(phase: &Phase) -> Vec<&'static str> {
    if phase.place == Place::Inside {
        CONTAINER.to_vec()
    } else {
        DEFAULT.to_vec()
    }
}

/// Where a variable comes from that should not be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Caller,
    Container,
    Runtime,
}

fn source(variable: &str) -> Source {
    let path = format!("PATH={CALLER_PATH}");
    if [CALLER_LEAK, "HOME=/root", &path].contains(&variable) {
        Source::Caller
    } else if CONTAINER.contains(&variable) {
        Source::Container
    } else {
        Source::Runtime
    }
}

fn clean(found: &[&str], expected: &[&str], leak: Source) -> Result<(), String> {
    // The default PATH is nobody's secret: that it is missing or there is the matter of another row.
    let foreign = |v: &&&str| !expected.contains(*v) && !DEFAULT.contains(*v) && source(v) == leak;
    let leaked: Vec<&&str> = found.iter().filter(foreign).collect();
    hold(leaked.is_empty(), || format!("leaked: {leaked:?}"))
}
