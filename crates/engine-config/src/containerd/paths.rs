//! Paths and patterns as Go reads them: containerd tells files apart by the text of their cleaned paths.

use std::path::{Component, Path, PathBuf};

/// An absolute path without `.`, `..` and empty parts, as filepath.Clean makes it: without looking at the disk.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                cleaned.pop();
            }
            part => cleaned.push(part),
        }
    }
    cleaned
}

/// containerd takes an import for a pattern only if it has this in it.
pub(super) fn is_pattern(import: &str) -> bool {
    import.contains('*')
}

/// A pattern of filepath.Glob for the crate glob: `**` is no more than `*` to Go, and `[^a]` is what is `[!a]` here.
pub(super) fn translated(pattern: &str) -> String {
    let mut translated = String::new();
    for c in pattern.chars() {
        match c {
            '*' if translated.ends_with('*') => {}
            '^' if translated.ends_with('[') => translated.push('!'),
            c => translated.push(c),
        }
    }
    translated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, cleaned) in [
            ("/etc/c/config.toml", "/etc/c/config.toml"),
            ("/etc/c/../c/./conf.d//*.toml", "/etc/c/conf.d/*.toml"),
            ("/../../etc/x/", "/etc/x"),
            ("/etc/..", "/"),
        ] {
            assert_eq!(clean(Path::new(path)).to_str(), Some(cleaned));
        }
    }

    #[test]
    fn patterns_are_read_as_go_does() {
        for (go, here) in [
            ("/a/**.toml", "/a/*.toml"),
            ("/a/***/b*", "/a/*/b*"),
            ("/a/[^b]*^", "/a/[!b]*^"),
        ] {
            assert_eq!(translated(go), here);
        }
    }
}
