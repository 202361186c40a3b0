//! Which container ids are valid.

/// The longest id in bytes. Names made of an id (a directory, a temporary beside it, a systemd scope)
/// must fit the 255 bytes of a file name.
pub const MAX_ID_LEN: usize = 232;

/// Checks a container id: ASCII letters, digits and `_ + . -`, not starting with `.` or `-`.
///
/// An id becomes a directory's name, an LXC container's name and part of a cgroup's; nothing that means
/// something to a shell, to a path or to an option parser is let in.
///
/// # Errors
/// One line that quotes the id and says what is wrong with it.
pub fn validate_id(id: &str) -> Result<(), InvalidId> {
    let why = if id.is_empty() {
        "it is empty"
    } else if id.len() > MAX_ID_LEN {
        "it is longer than 232 bytes"
    } else if id.starts_with(['.', '-']) {
        "it starts with '.' or '-'"
    } else if !id.bytes().all(is_valid) {
        "only letters, digits, '_', '+', '.' and '-' are allowed"
    } else {
        return Ok(());
    };
    // A hostile id may be long; the line that quotes it need not be.
    let quoted: String = id.chars().take(MAX_ID_LEN).collect();
    Err(InvalidId { id: quoted, why })
}

fn is_valid(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'.' | b'-')
}

/// An id that no container can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid container id {id:?}: {why}")]
pub struct InvalidId {
    id: String,
    why: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_engines_and_people_are_valid() {
        let hex = "0123456789abcdef".repeat(4);
        let longest = "a".repeat(MAX_ID_LEN);
        for id in [
            &hex, &longest, "c1", "my_box", "a.b-c+d", "_x", "+x", "X..y", "1",
        ] {
            assert_eq!(validate_id(id), Ok(()), "{id}");
        }
    }

    #[test]
    fn everything_else_is_not() {
        let too_long = "a".repeat(MAX_ID_LEN + 1);
        for id in [
            "", ".", "..", ".hidden", "-x", "a/b", "../x", "a b", "a\nb", "a;b", "$x", "a*", "ä",
            "a\0", "a:b", "a'b", &too_long,
        ] {
            let error = validate_id(id).unwrap_err().to_string();
            assert!(error.starts_with("invalid container id \""), "{error}");
            assert!(!error.contains(['\n', '\0']), "{error:?}");
        }
    }

    #[test]
    fn message_names_the_limit() {
        let error = validate_id(&"a".repeat(300)).unwrap_err().to_string();
        assert!(error.contains(&MAX_ID_LEN.to_string()), "{error}");
    }
}
