//! Which `ociVersion` this runtime accepts.
//!
//! The runtime-spec follows Semantic Versioning, so any 1.x can be read; properties of a later 1.x
//! that this runtime does not know are warned about like any other unknown property.

/// The oldest runtime-spec version this runtime recognises.
pub const OCI_VERSION_MIN: &str = "1.0.0";
/// The newest runtime-spec version this runtime recognises.
pub const OCI_VERSION_MAX: &str = "1.3.0";

/// Says what is wrong with a version; `Ok` for a semantic version with major number 1.
pub(super) fn check(version: &str) -> Result<(), String> {
    match major(version) {
        None => Err(format!("{version:?} is not a semantic version")),
        Some("1") => Ok(()),
        Some(_) => Err(format!(
            "{version:?} is not supported, only {OCI_VERSION_MIN} up to {OCI_VERSION_MAX} and other 1.x"
        )),
    }
}

/// The major number of a string in SemVer 2.0.0 format.
fn major(version: &str) -> Option<&str> {
    let (rest, build) = split(version, '+');
    let (core, pre) = split(rest, '-');
    let identifiers_fine = |part: Option<&str>| {
        part.is_none_or(|p| {
            p.split('.').all(|id| {
                !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            })
        })
    };
    let mut numbers = core.split('.');
    let (major, minor, patch) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let all_numeric = [major, minor, patch].into_iter().all(is_number);
    (numbers.next().is_none() && all_numeric && identifiers_fine(pre) && identifiers_fine(build))
        .then_some(major)
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_1_x_is_accepted() {
        for version in [
            OCI_VERSION_MIN,
            OCI_VERSION_MAX,
            "1.0.2-dev",
            "1.1.0+dev",
            "1.1.0-rc.2",
            "1.0.0-rc5",
            "1.99.7",
            "1.2.3-a.b-c+d.e",
        ] {
            assert_eq!(check(version), Ok(()), "{version}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for version in [
            "",
            "1",
            "1.0",
            "v1.0.0",
            "1.0.0.0",
            "1.0.x",
            "1.-1.0",
            "1.0.0-",
            "1.0.0+",
            "01.0.0",
            "1.0.0 ",
            "1.0.0-a_b",
        ] {
            let message = check(version).unwrap_err();
            assert!(message.contains("not a semantic version"), "{message}");
        }
        for version in ["0.6.0", "2.0.0", "11.0.0"] {
            let message = check(version).unwrap_err();
            assert!(message.contains("not supported"), "{message}");
        }
    }
}
