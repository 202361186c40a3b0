//! The help of every command, its example, and what else is made of the command line.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run;

const COMMANDS: [&[&str]; 18] = [
    &[],
    &["hooks"],
    &["hooks", "validate"],
    &["hooks", "list"],
    &["hooks", "explain"],
    &["hooks", "inject"],
    &["runtime"],
    &["runtime", "configure"],
    &["runtime", "unconfigure"],
    &["runtime", "status"],
    &["config"],
    &["config", "show"],
    &["config", "set"],
    &["config", "check"],
    &["schema"],
    &["install"],
    &["uninstall"],
    &["completions"],
];

fn help(command: &[&str]) -> String {
    run(Path::new("/"), &[command, &["--help"]].concat()).success()
}

fn golden(command: &[&str]) -> PathBuf {
    let name = [&["lxcri-ctl"], command].concat().join("-");
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/help")
        .join(name + ".txt")
}

/// With LXCRI_TEST_BLESS=1 the files are written instead.
#[test]
fn help_is_what_the_golden_files_say() {
    for command in COMMANDS {
        let (file, help) = (golden(command), help(command));
        if std::env::var_os("LXCRI_TEST_BLESS").is_some() {
            fs::write(&file, &help).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(help, expected, "{}", file.display());
    }
    let files = fs::read_dir(golden(&[]).parent().unwrap()).unwrap();
    assert_eq!(
        files.count(),
        COMMANDS.len(),
        "a command or a file too many"
    );
}

#[test]
fn every_command_has_an_example() {
    for command in COMMANDS {
        assert!(help(command).contains("\nExample: "), "{command:?}");
    }
}

/// Every command that the help lists has a golden file.
#[test]
fn no_command_is_forgotten() {
    for command in COMMANDS {
        let help = help(command);
        let list = help.split("Commands:\n").nth(1).unwrap_or_default();
        let names = list.lines().take_while(|line| !line.is_empty());
        for name in names.filter_map(|line| line.split_whitespace().next()) {
            let below = [command, &[name]].concat();
            let known = name == "help" || COMMANDS.contains(&below.as_slice());
            assert!(known || !list.contains(&format!("  {name} ")), "{below:?}");
        }
    }
}

#[test]
fn the_man_page_has_every_command_and_option() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man/lxcri-ctl.8");
    let page = fs::read_to_string(page).unwrap();
    for command in COMMANDS {
        let whole = command.join(" ");
        assert!(page.contains(&format!("Cm {whole}")), "{whole}");
        for line in help(command).lines() {
            let Some(option) = line.trim_start().split("--").nth(1) else {
                continue;
            };
            let is_definition = line.trim_start().starts_with('-');
            let name = option.split([' ', ',', '<']).next().unwrap_or_default();
            let found = page.contains(&format!("Fl Fl {name}"));
            assert!(!is_definition || found, "--{name} of {command:?}");
        }
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(Path::new("/"), &["completions", shell]).success();
        for word in ["unconfigure", "explain", "set-default", "containerd"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn wrong_usage_is_status_2() {
    for args in [
        &[][..],
        &["nothing"],
        &["runtime", "configure"],
        &["runtime", "status", "--engine", "rkt"],
        &["hooks", "explain"],
        &["hooks", "validate", "x", "--hooks-dir", "y"],
        &["config", "set", "inject"],
        &["schema", "x"],
    ] {
        assert_eq!(run(Path::new("/"), args).status, 2, "{args:?}");
    }
}
