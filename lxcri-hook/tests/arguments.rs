//! Arguments, and liblxc's environment in their place.
#![deny(unsafe_code)]

mod support;

use std::process::Command;
use support::{LAUNCHER, Tree, run};

fn launcher(arguments: &[&str], environment: &[(&str, &str)]) -> support::Finished {
    run(Command::new(LAUNCHER)
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied()))
}

#[test]
fn wrong_arguments() {
    let wrong: [&[&str]; 12] = [
        &["poststop"],
        &["poststop", "/tmp", "x"],
        &["poststop", "/tmp", "sync"],
        &["start-container", "/tmp", "sync"],
        &["create-container", "/tmp", "sync", "x"],
        &["prestart", "/tmp"],
        &["create-runtime", "/tmp"],
        &["poststart", "/tmp"],
        &["createContainer", "/tmp"],
        &["init", "x"],
        &["--help"],
        &["", ""],
    ];
    for arguments in wrong {
        launcher(arguments, &[]).fails_with(2, "usage: lxcri-hook ");
    }
}

#[test]
fn environment_of_no_hook() {
    launcher(&[], &[]).fails_with(3, "LXC_HOOK_TYPE is not set");
    launcher(&[], &[("LXC_HOOK_TYPE", "")]).fails_with(3, "LXC_HOOK_TYPE is not set");
    launcher(&[], &[("LXC_HOOK_TYPE", "mount")]).fails_with(3, "LXC_CONFIG_FILE is not set");
    launcher(&[], &[("LXC_HOOK_TYPE", "autodev")])
        .fails_with(3, "autodev: no phase belongs to this LXC_HOOK_TYPE");
}

#[test]
fn environment_of_liblxc() {
    let tree = Tree::new();
    tree.shell("create-container", 1, "exit 0", &[]);
    tree.shell("poststop", 1, "exit 0", &[]);
    let config = tree.join("config");
    let config = config.to_str().unwrap();
    launcher(
        &[],
        &[("LXC_HOOK_TYPE", "mount"), ("LXC_CONFIG_FILE", config)],
    )
    .succeeds();
    launcher(
        &[],
        &[("LXC_HOOK_TYPE", "destroy"), ("LXC_CONFIG_FILE", config)],
    )
    .succeeds();
    let phases: Vec<_> = tree
        .records()
        .iter()
        .map(|record| record["phase"].clone())
        .collect();
    assert_eq!(phases, ["createContainer", "poststop"]);
}

#[test]
fn a_relative_configuration_is_in_the_working_directory() {
    let tree = Tree::new();
    tree.shell("poststop", 1, "exit 0", &[]);
    let mut command = Command::new(LAUNCHER);
    command
        .env("LXC_HOOK_TYPE", "destroy")
        .env("LXC_CONFIG_FILE", "config")
        .current_dir(tree.path());
    run(&mut command).succeeds();
    assert_eq!(tree.records().len(), 1);
}
