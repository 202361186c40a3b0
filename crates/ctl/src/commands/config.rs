//! `lxcri-ctl config`: shows, changes and checks our own configuration files.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use engine_config::{file, parse_toml};
use toml_edit::{Array, DocumentMut, Item, RawString, value};

use crate::cli::config::{Command, Name, Named, Set};
use crate::output::print;
use crate::settings::{INJECT, Key, Kind, LXCRI, Settings, check};

/// How long another process may hold the directory.
const PATIENCE: Duration = Duration::from_secs(10);

/// Carries out the command.
pub fn execute(command: Command) -> Result<ExitCode> {
    match command {
        Command::Show(named) => show(&named)?,
        Command::Set(options) => set(&options)?,
        Command::Check(named) => return check(&named),
    }
    Ok(ExitCode::SUCCESS)
}

fn settings(named: &Named) -> (&'static Settings, PathBuf) {
    let settings = match named.name {
        Name::Lxcri => &LXCRI,
        Name::Inject => &INJECT,
    };
    let usual = || PathBuf::from(settings.path);
    (settings, named.file.clone().unwrap_or_else(usual))
}

fn read(path: &Path) -> Result<DocumentMut> {
    let text = file::read(path)?.unwrap_or_default();
    Ok(parse_toml(path, &text)?)
}

/// Prints what counts, as TOML that could be the file.
fn show(named: &Named) -> Result<()> {
    let (settings, path) = settings(named);
    let document = read(&path)?;
    refuse(&path, &check::problems(settings, document.as_table()))?;
    let mut text = format!("# {}\n", path.display());
    for key in settings.keys {
        text += &match (document.get(key.name), key.default) {
            (Some(item), _) => format!("{} = {}\n", key.name, item.to_string().trim()),
            (None, Some(default)) => format!("{} = {default}  # default\n", key.name),
            (None, None) => format!("# {} is not set\n", key.name),
        };
    }
    print(&text)
}

fn set(options: &Set) -> Result<()> {
    let (settings, path) = settings(&options.named);
    let Some(key) = settings.key(&options.key) else {
        let known: Vec<&str> = settings.keys.iter().map(|key| key.name).collect();
        bail!(
            "{}: unknown key; there are {}",
            options.key,
            known.join(", ")
        );
    };
    let new = item(key, &options.values)?;
    let path = file::resolve(&std::path::absolute(&path)?)?;
    let _lock = lock_directory_of(&path, new.is_some())?;
    let before = file::read(&path)?;
    let mut document = parse_toml(&path, before.as_deref().unwrap_or_default())?;
    match new {
        Some(item) => put(&mut document, key, item),
        None => remove(&mut document, key.name),
    }
    refuse(&path, &check::problems(settings, document.as_table()))?;
    let after = document.to_string();
    if before.as_deref().unwrap_or_default() == after {
        return print("nothing to change\n");
    }
    file::replace(&path, after.as_bytes(), None)?;
    print(&format!("changed {}\n", path.display()))
}

/// The value of a key; `None` when there are no words.
fn item(key: &Key, words: &[String]) -> Result<Option<Item>> {
    let Some(first) = words.first() else {
        return Ok(None);
    };
    if words.len() > 1 && !key.kind.is_list() {
        bail!("{}: takes one value", key.name);
    }
    if let Some(objection) = words.iter().find_map(|word| key.kind.objection(word)) {
        bail!("{}: {objection}", key.name);
    }
    Ok(Some(match key.kind {
        Kind::Path | Kind::Choice(_) => value(first),
        Kind::Paths | Kind::Programs => value(words.iter().collect::<Array>()),
        Kind::Flag => value(first == "true"),
    }))
}

/// Replaces the value and leaves the comments around it.
fn put(document: &mut DocumentMut, key: &Key, mut item: Item) {
    let Some(old) = document.get_mut(key.name) else {
        document.insert(key.name, item);
        return;
    };
    if let (Some(old), Some(new)) = (old.as_value(), item.as_value_mut()) {
        *new.decor_mut() = old.decor().clone();
    }
    *old = item;
}

/// Removes a key, and leaves the comment above it to the next one.
fn remove(document: &mut DocumentMut, name: &str) {
    let next = document.iter().map(|(key, _)| key.to_owned());
    let next = next.skip_while(|key| key != name).nth(1);
    let Some((key, _)) = document.remove_entry(name) else {
        return;
    };
    let text = |raw: Option<&RawString>| {
        raw.and_then(RawString::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let above = text(key.leaf_decor().prefix());
    match next.and_then(|next| document.key_mut(&next)) {
        Some(mut next) => {
            let own = text(next.leaf_decor().prefix());
            next.leaf_decor_mut().set_prefix(above + &own);
        }
        None => {
            let own = text(Some(document.trailing()));
            document.set_trailing(above + &own);
        }
    }
}

/// Nobody else changes a file of this directory with this program at the same time. It is made if it `must_exist`.
fn lock_directory_of(path: &Path, must_exist: bool) -> Result<Option<File>> {
    let Some(directory) = path.parent() else {
        bail!("{}: not a path of a file", path.display());
    };
    if !directory.exists() {
        if !must_exist {
            return Ok(None);
        }
        fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
    }
    let context = || format!("lock {}", directory.display());
    let file = File::open(directory).with_context(context)?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(e)) => return Err(e).with_context(context),
            // Whoever may read the directory can hold it for ever.
            Err(TryLockError::WouldBlock) if began.elapsed() >= PATIENCE => bail!(
                "{}: locked by another process for more than {} s",
                directory.display(),
                PATIENCE.as_secs()
            ),
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(20)),
        }
    }
}

fn check(named: &Named) -> Result<ExitCode> {
    let (settings, path) = settings(named);
    if file::read(&path)?.is_none() {
        if named.file.is_some() {
            bail!("{}: does not exist", path.display());
        }
        print(&format!(
            "{}: does not exist, so the defaults count\n",
            path.display()
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    let document = read(&path)?;
    let mut problems = check::problems(settings, document.as_table());
    problems.extend(distrust(&path)?);
    if problems.is_empty() {
        print(&format!("{}: fine\n", path.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let lines = problems
        .iter()
        .map(|p| format!("{}: {p}\n", path.display()));
    print(&lines.collect::<String>())?;
    Ok(ExitCode::FAILURE)
}

/// The programs refuse a file that others could change.
fn distrust(path: &Path) -> Result<Option<String>> {
    let metadata = fs::metadata(path).with_context(|| format!("stat {}", path.display()))?;
    Ok((!file::trusted(&metadata)).then(|| "others than root may write to it".to_owned()))
}

fn refuse(path: &Path, problems: &[String]) -> Result<()> {
    match problems {
        [] => Ok(()),
        problems => bail!("{}: {}", path.display(), problems.join("; ")),
    }
}
