//! Whether a configuration file says only what its program understands.

use toml_edit::{Item, Table};

use super::{Key, Kind, Settings};

/// All that is wrong with the file, a line for each key.
pub fn problems(settings: &Settings, table: &Table) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, item) in table.iter() {
        match settings.key(name) {
            None => {
                let known: Vec<&str> = settings.keys.iter().map(|key| key.name).collect();
                let known = known.join(", ");
                problems.push(format!("{name}: unknown key; there are {known}"));
            }
            Some(key) => problems.extend(of_key(key, item)),
        }
    }
    problems
}

fn of_key(key: &Key, item: &Item) -> Vec<String> {
    let Some(words) = words(key.kind, item) else {
        let found = item.type_name();
        let wanted = key.kind.describe();
        return vec![format!("{}: expected {wanted}, found {found}", key.name)];
    };
    if key.kind == Kind::Programs && words.is_empty() {
        return vec![format!("{}: names no program", key.name)];
    }
    let objections = words.iter().filter_map(|word| key.kind.objection(word));
    objections.map(|o| format!("{}: {o}", key.name)).collect()
}

/// The strings of a value of the right type.
fn words(kind: Kind, item: &Item) -> Option<Vec<&str>> {
    match kind {
        Kind::Flag => item.as_bool().map(|_| Vec::new()),
        Kind::Path | Kind::Choice(_) => item.as_str().map(|word| vec![word]),
        Kind::Paths | Kind::Programs => item.as_array()?.iter().map(|v| v.as_str()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{INJECT, LXCRI};

    fn found(settings: &Settings, text: &str) -> Vec<String> {
        let document: toml_edit::DocumentMut = text.parse().unwrap();
        problems(settings, document.as_table())
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let text = "runtimes = []\nhooks-dirs = [\"a\"]\non-error = \"never\"\nfsync = 1\nx = 1\naccess = \"anyone\"\n";
        assert_eq!(
            found(&INJECT, text),
            [
                "runtimes: names no program",
                "hooks-dirs: \"a\" is not an absolute path",
                "on-error: \"never\" is not one of fail, skip",
                "fsync: expected a boolean, found integer",
                "x: unknown key; there are runtimes, hooks-dirs, hooks-json, on-error, access, fsync",
            ]
        );
        assert_eq!(
            found(&LXCRI, "hooks-log = [\"/x\"]\n"),
            ["hooks-log: expected a string, found array"]
        );
    }

    /// A file in which every key is given, and one for each wrong key.
    #[test]
    fn lxcri_inject_takes_what_the_table_says_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("inject.toml");
        let load = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let found = |name: &str| {
                (name == inject::settings::CONFIG_VARIABLE).then(|| file.clone().into_os_string())
            };
            inject::settings::Settings::load(found)
        };
        let sample = |key: &Key| match key.kind {
            Kind::Path => "\"/x\"".to_owned(),
            Kind::Paths | Kind::Programs => "[\"/x\", \"/y\"]".to_owned(),
            Kind::Choice(words) => format!("{:?}", words[1]),
            Kind::Flag => "true".to_owned(),
        };
        let mut all = String::new();
        for key in INJECT.keys {
            all += &format!("{} = {}\n", key.name, sample(key));
            if let Some(default) = key.default {
                let same = load(&format!("{} = {default}\n", key.name)).unwrap();
                assert_eq!(same, load("").unwrap(), "{}", key.name);
            }
            assert!(
                load(&format!("{} = {{}}\n", key.name)).is_err(),
                "{}",
                key.name
            );
        }
        assert!(found(&INJECT, &all).is_empty());
        assert!(load(&all).is_ok());
        assert!(load("x = 1\n").is_err());
    }
}
