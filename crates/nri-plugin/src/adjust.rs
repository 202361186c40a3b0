//! Selected hooks become the adjustment of a container. A pure function.

use hook_model::{DEFAULT_PATH, Phase};
use hooks_d::Selected;

use crate::wire::messages::{
    ContainerAdjustment, CreateContainerResponse, Hook, Hooks, OptionalInt,
};

/// The answer that gives a container these hooks, in this order.
pub fn response<'a>(hooks: impl IntoIterator<Item = &'a Selected>) -> CreateContainerResponse {
    let mut by_phase = Hooks::default();
    for selected in hooks {
        list(&mut by_phase, selected.phase).push(hook(&selected.hook));
    }
    let adjust = (by_phase != Hooks::default()).then_some(ContainerAdjustment {
        hooks: Some(by_phase),
    });
    CreateContainerResponse { adjust }
}

fn list(hooks: &mut Hooks, phase: Phase) -> &mut Vec<Hook> {
    match phase {
        Phase::Prestart => &mut hooks.prestart,
        Phase::CreateRuntime => &mut hooks.create_runtime,
        Phase::CreateContainer => &mut hooks.create_container,
        Phase::StartContainer => &mut hooks.start_container,
        Phase::Poststart => &mut hooks.poststart,
        Phase::Poststop => &mut hooks.poststop,
    }
}

fn hook(hook: &hook_model::Hook) -> Hook {
    // An empty list arrives as none, and runc then gives the hook its own environment (CVE-2025-23266).
    let env = hook.env.clone().filter(|env| !env.is_empty());
    Hook {
        path: hook.path_str().into_owned(),
        args: hook.argv(),
        env: env.unwrap_or_else(|| vec![DEFAULT_PATH.to_owned()]),
        timeout: hook.timeout.map(|seconds| OptionalInt {
            value: i64::try_from(seconds.get()).unwrap_or(i64::MAX),
        }),
    }
}
