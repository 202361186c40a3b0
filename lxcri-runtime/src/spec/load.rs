//! Opens and reads the config.json of a bundle.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use hook_model::{HookSet, json};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, SFlag, fstat};
use oci_spec::runtime::Spec;
use serde_json::Value;
use serde_json::error::Category;

use super::pointer::{Pointer, one_line};
use super::problem::Problem;
use super::{scan, typed, version};

/// The name of the file in a bundle.
pub const CONFIG_FILE: &str = "config.json";

/// The largest config.json that is read, in bytes; a real one has some ten thousand.
pub const SIZE_LIMIT: u64 = 16 << 20;

/// A config.json that could be read and understood, but is not checked yet.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedSpec {
    /// The content in the types of the spec. Refused properties are left out, and mount
    /// destinations are absolute.
    pub spec: Spec,
    /// The content as it stands in the file.
    pub raw: Value,
    /// What was read in a lenient way, and what is unknown and therefore ignored. To be logged.
    pub warnings: Vec<Problem>,
    /// The hooks, which are valid unless [`check`](super::check()) reports problems.
    pub hooks: HookSet,
    /// Why the bundle cannot be run, as far as it is known already.
    pub(super) problems: Vec<Problem>,
}

/// Why a config.json cannot be read. Its text is one line: `<file>: <what>: <why>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The file, or the bundle when that could not be opened.
    pub file: PathBuf,
    /// What is wrong with it, and why.
    pub what: String,
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        one_line(&self.file.to_string_lossy(), f)?;
        f.write_str(": ")?;
        one_line(&self.what, f)
    }
}

impl std::error::Error for LoadError {}

/// Loads the config.json of a bundle.
///
/// # Errors
/// When the bundle or the file is missing, unreadable or no regular file of reasonable size, or when
/// [`parse`] cannot make sense of the content.
pub fn load(bundle: &Path) -> Result<LoadedSpec, LoadError> {
    parse(&read(bundle)?, &bundle.join(CONFIG_FILE))
}

/// Makes sense of the content of a config.json; `file` is for the error.
///
/// # Errors
/// When the content is not exactly one JSON object in UTF-8, has a duplicate key or a NUL in a string,
/// lacks a version that this runtime accepts, or has a value of the wrong type.
pub fn parse(content: &[u8], file: &Path) -> Result<LoadedSpec, LoadError> {
    let fail = |what: String| LoadError {
        file: file.to_owned(),
        what,
    };
    let raw = read_json(content).map_err(fail)?;
    check_version(&raw).map_err(|problem| fail(problem.to_string()))?;
    let scan = scan::scan(&raw);
    scan.mistyped
        .into_result()
        .map_err(|problems| fail(problems.to_string()))?;
    let typed = typed::read(&raw, &scan.set_aside).map_err(|problem| fail(problem.to_string()))?;
    let (mut warnings, mut problems) = (scan.unknown, scan.refused);
    problems.extend(scan.missing);
    warnings.extend(typed.remarks);
    problems.extend(typed.problems);
    Ok(LoadedSpec {
        spec: typed.spec,
        raw,
        warnings,
        hooks: typed.hooks,
        problems,
    })
}

fn read_json(content: &[u8]) -> Result<Value, String> {
    if content.is_empty() {
        return Err("empty file".to_owned());
    }
    let text = str::from_utf8(content)
        .map_err(|error| format!("not UTF-8: invalid byte at offset {}", error.valid_up_to()))?;
    let value = json::parse(text).map_err(|error| match error.classify() {
        Category::Eof if text.trim_ascii().is_empty() => "empty: only white space".to_owned(),
        Category::Eof => format!("truncated: {error}"),
        Category::Data => error.to_string(),
        Category::Syntax | Category::Io => format!("not JSON: {error}"),
    })?;
    if value.is_object() {
        Ok(value)
    } else {
        Err("not a JSON object".to_owned())
    }
}

fn check_version(raw: &Value) -> Result<(), Problem> {
    let at = Pointer::at("/ociVersion");
    match raw.get("ociVersion") {
        None | Some(Value::Null) => Err(Problem::new(at, "missing")),
        Some(Value::String(text)) => {
            version::check(text).map_err(|message| Problem::new(at, message))
        }
        Some(_) => Err(Problem::new(at, "not a string")),
    }
}

/// Reads the file through a descriptor of the bundle, so that both are of the same bundle even when
/// the path is replaced meanwhile. A symbolic link is followed, as runc does: the bundle belongs to
/// the caller, not to the container.
///
/// # Errors
/// When the bundle or the file is missing, unreadable or no regular file of reasonable size.
pub fn read(bundle: &Path) -> Result<Vec<u8>, LoadError> {
    let fail = |what: String| LoadError {
        file: bundle.join(CONFIG_FILE),
        what,
    };
    let directory = open_bundle(bundle)?;
    // A FIFO or a terminal must neither block the open nor become the controlling terminal.
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let opened = openat(&directory, CONFIG_FILE, flags, Mode::empty());
    let opened = opened.map_err(|errno| {
        let what = match errno {
            Errno::ENOENT => "missing",
            _ => "cannot be opened",
        };
        fail(format!(
            "{what}: openat({CONFIG_FILE}, O_RDONLY|O_CLOEXEC|O_NONBLOCK|O_NOCTTY): {}",
            text_of(errno)
        ))
    })?;
    let stat = fstat(&opened)
        .map_err(|errno| fail(format!("cannot be read: fstat(): {}", text_of(errno))))?;
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    if kind != SFlag::S_IFREG {
        return Err(fail(format!("not a regular file: {}", name_of(kind))));
    }
    let too_large = || fail(format!("too large: more than {} MiB", SIZE_LIMIT >> 20));
    if u64::try_from(stat.st_size).is_ok_and(|size| size > SIZE_LIMIT) {
        return Err(too_large());
    }
    let mut content = Vec::with_capacity(usize::try_from(stat.st_size).unwrap_or(0) + 1);
    let mut limited = File::from(opened).take(SIZE_LIMIT + 1);
    limited.read_to_end(&mut content).map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
        fail(format!("cannot be read: read(): {}", text_of(errno)))
    })?;
    if content.len() as u64 > SIZE_LIMIT {
        return Err(too_large());
    }
    Ok(content)
}

fn open_bundle(bundle: &Path) -> Result<OwnedFd, LoadError> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(bundle, flags, Mode::empty()).map_err(|errno| LoadError {
        file: bundle.to_owned(),
        what: format!(
            "bundle cannot be opened: open({}, O_PATH|O_DIRECTORY|O_CLOEXEC): {}",
            bundle.display(),
            text_of(errno)
        ),
    })
}

/// Like `no such file or directory (ENOENT)`.
fn text_of(errno: Errno) -> String {
    let text = errno.desc();
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    format!("{}{} ({errno:?})", first.unwrap_or('?'), chars.as_str())
}

fn name_of(kind: SFlag) -> &'static str {
    match kind {
        SFlag::S_IFDIR => "directory",
        SFlag::S_IFIFO => "FIFO",
        SFlag::S_IFSOCK => "socket",
        SFlag::S_IFCHR => "character device",
        SFlag::S_IFBLK => "block device",
        _ => "unknown kind of file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::mkfifo;
    use std::fs;

    const GOOD: &str = r#"{"ociVersion": "1.0.2", "future": 1}"#;

    fn error_of(content: &[u8]) -> String {
        let bundle = tempfile::tempdir().unwrap();
        let file = bundle.path().join(CONFIG_FILE);
        fs::write(&file, content).unwrap();
        let text = load(bundle.path()).unwrap_err().to_string();
        assert!(!text.contains('\n'), "{text}");
        let prefix = format!("{}: ", file.display());
        text.strip_prefix(&prefix).unwrap().to_owned()
    }

    #[test]
    fn good_file() {
        let bundle = tempfile::tempdir().unwrap();
        fs::write(bundle.path().join(CONFIG_FILE), GOOD).unwrap();
        let loaded = load(bundle.path()).unwrap();
        assert_eq!(loaded.spec.version(), "1.0.2");
        assert_eq!(loaded.raw["future"], 1);
        assert_eq!(loaded.warnings.len(), 1);
    }

    #[test]
    fn symbolic_link_is_followed() {
        let bundle = tempfile::tempdir().unwrap();
        fs::write(bundle.path().join("real.json"), GOOD).unwrap();
        std::os::unix::fs::symlink("real.json", bundle.path().join(CONFIG_FILE)).unwrap();
        assert!(load(bundle.path()).is_ok());
    }

    #[test]
    fn missing_bundle_and_file() {
        let bundle = tempfile::tempdir().unwrap();
        let gone = bundle.path().join("gone");
        assert_eq!(
            load(&gone).unwrap_err().to_string(),
            format!(
                "{0}: bundle cannot be opened: open({0}, O_PATH|O_DIRECTORY|O_CLOEXEC): \
                 no such file or directory (ENOENT)",
                gone.display()
            )
        );
        assert_eq!(
            load(bundle.path()).unwrap_err().to_string(),
            format!(
                "{}/config.json: missing: openat(config.json, \
                 O_RDONLY|O_CLOEXEC|O_NONBLOCK|O_NOCTTY): no such file or directory (ENOENT)",
                bundle.path().display()
            )
        );
        let file = bundle.path().join("file");
        fs::write(&file, "").unwrap();
        let text = load(&file).unwrap_err().to_string();
        assert!(text.ends_with("not a directory (ENOTDIR)"), "{text}");
    }

    #[test]
    fn other_kinds_of_file_neither_block_nor_pass() {
        let bundle = tempfile::tempdir().unwrap();
        let file = bundle.path().join(CONFIG_FILE);
        mkfifo(&file, Mode::S_IRWXU).unwrap();
        let text = load(bundle.path()).unwrap_err().to_string();
        assert!(text.ends_with(": not a regular file: FIFO"), "{text}");
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        let text = load(bundle.path()).unwrap_err().to_string();
        assert!(text.ends_with(": not a regular file: directory"), "{text}");
        fs::remove_dir(&file).unwrap();
        std::os::unix::fs::symlink("/dev/null", &file).unwrap();
        let text = load(bundle.path()).unwrap_err().to_string();
        assert!(
            text.ends_with(": not a regular file: character device"),
            "{text}"
        );
    }

    #[test]
    fn size_is_limited() {
        let bundle = tempfile::tempdir().unwrap();
        let file = File::create(bundle.path().join(CONFIG_FILE)).unwrap();
        file.set_len(SIZE_LIMIT + 1).unwrap();
        let text = load(bundle.path()).unwrap_err().to_string();
        assert!(text.ends_with(": too large: more than 16 MiB"), "{text}");
        // Just within the limit it is read, and is no JSON.
        file.set_len(SIZE_LIMIT).unwrap();
        let text = load(bundle.path()).unwrap_err().to_string();
        assert!(text.contains("config.json: not JSON: "), "{text}");
    }

    #[test]
    fn content_that_is_no_document() {
        for (content, what) in [
            (&b""[..], "empty file"),
            (b" \n\t", "empty: only white space"),
            (
                br#"{"ociVersion": "1.0.2""#,
                "truncated: EOF while parsing an object at line 1 column 22",
            ),
            (
                br#"{"ociVersion": "1.0"#,
                "truncated: EOF while parsing a string at line 1 column 19",
            ),
            (b"[]", "not a JSON object"),
            (b"null", "not a JSON object"),
            (
                br#"{"ociVersion": "1.0.2"} x"#,
                "not JSON: trailing characters at line 1 column 25",
            ),
            (
                br#"{"ociVersion": "1.0.2"}{}"#,
                "not JSON: trailing characters at line 1 column 24",
            ),
            (b"{\"a\": \"\xff\"}", "not UTF-8: invalid byte at offset 7"),
            (
                b"\xef\xbb\xbf{}",
                "not JSON: expected value at line 1 column 1",
            ),
            (b"hello", "not JSON: expected value at line 1 column 1"),
        ] {
            assert_eq!(error_of(content), what);
        }
    }

    #[test]
    fn content_with_traps() {
        for (content, what) in [
            (
                r#"{"ociVersion": "1.0.2", "hooks": {"prestart": [], "prestart": []}}"#,
                "/hooks/prestart: duplicate key at line 1 column 60",
            ),
            (
                r#"{"ociVersion": "1.0.2", "process": {"env": ["A=\u0000"]}}"#,
                "/process/env/0: NUL inside a string at line 1 column 54",
            ),
            (r#"{}"#, "/ociVersion: missing"),
            (r#"{"ociVersion": null}"#, "/ociVersion: missing"),
            (r#"{"ociVersion": 1}"#, "/ociVersion: not a string"),
            (
                r#"{"ociVersion": "x"}"#,
                "/ociVersion: \"x\" is not a semantic version",
            ),
            (
                r#"{"ociVersion": "2.0.0"}"#,
                "/ociVersion: \"2.0.0\" is not supported, only 1.0.0 up to 1.3.0 and other 1.x",
            ),
            (
                r#"{"ociVersion": "1.0.2", "linux": {"devices": {}}}"#,
                "/linux/devices: invalid type: map, expected a sequence",
            ),
            (
                r#"{"ociVersion": "1.0.2", "process": {"cwd": "/", "rlimits": [{"type": "RLIMIT_X"}]}}"#,
                "/process/rlimits/0/type: unknown variant `RLIMIT_X`, expected one of",
            ),
        ] {
            let found = error_of(content.as_bytes());
            assert!(found.starts_with(what), "{found}");
        }
    }

    #[test]
    fn names_with_control_characters_stay_on_one_line() {
        let error = parse(b"", Path::new("/a\nb/config.json")).unwrap_err();
        assert_eq!(error.to_string(), "/a\\nb/config.json: empty file");
    }
}
