//! What a good file says: a hook, its stages, when it is for a container, and its pin.

use std::fmt;
use std::str::FromStr;

use hook_model::{Hook, Phase};

use crate::condition::When;

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// In a phase of the container's life.
    Phase(Phase),
    /// Before the container is created: the hook gets the configuration and writes the one to use.
    Precreate,
}

impl Stage {
    /// The name in a file.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Phase(phase) => phase.oci_name(),
            Stage::Precreate => "precreate",
        }
    }

    /// The stage with this name. `prestart` is itself; the hooks.d schemas turn it into createRuntime.
    pub fn from_name(name: &str) -> Option<Stage> {
        match name {
            "precreate" => Some(Stage::Precreate),
            _ => Phase::from_oci_name(name.as_bytes()).map(Stage::Phase),
        }
    }
}

/// One hook of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The hook. Its `env` is always given, so that no environment can leak into it (CVE-2025-23266).
    pub hook: Hook,
    /// When it runs. It runs twice in a stage that is given twice.
    pub stages: Vec<Stage>,
    /// For which containers.
    pub when: When,
    /// What its executable must contain.
    pub sha256: Option<Sha256>,
}

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256(pub [u8; 32]);

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits")]
pub struct NotADigest;

impl FromStr for Sha256 {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Sha256, NotADigest> {
        let mut digest = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotADigest);
        }
        for (byte, i) in digest.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[i..i + 2], 16).map_err(|_| NotADigest)?;
        }
        Ok(Sha256(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_and_shown() {
        let text = format!("{}{}", "0123456789abcdef".repeat(3), "ABCDEF0000000001");
        let digest: Sha256 = text.parse().unwrap();
        assert_eq!(digest.to_string(), text.to_lowercase());
        for wrong in ["", "12", &"g".repeat(64), &"+f".repeat(32), &"é".repeat(32)] {
            assert_eq!(wrong.parse::<Sha256>(), Err(NotADigest), "{wrong}");
        }
    }
}
