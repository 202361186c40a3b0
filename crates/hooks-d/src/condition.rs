//! The conditions under which a hook is for a container.

use crate::container::Container;
use crate::pattern::Pattern;

/// How the conditions of a file are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// All must hold: schema 1.0.0.
    All,
    /// One must hold: schema 0.1.0.
    Any,
}

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// `always`
    Always(bool),
    /// `hasBindMounts`
    HasBindMounts(bool),
    /// One annotation has a key and a value that match.
    Annotation {
        /// For the key.
        key: Pattern,
        /// For the value.
        value: Pattern,
    },
    /// The first argument of the container process matches one of these.
    Commands(Vec<Pattern>),
}

/// All conditions of a hook. Without any it is for no container.
#[derive(Clone, Debug, PartialEq)]
pub struct When {
    /// How the conditions are combined.
    pub combine: Combine,
    /// The conditions in the order in which they are looked at.
    pub conditions: Vec<Condition>,
}

/// What a condition says of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Holds,
    Fails,
    /// There is nothing that the condition could be applied to.
    Skipped,
}

impl When {
    /// For every container.
    pub fn always() -> When {
        When {
            combine: Combine::All,
            conditions: vec![Condition::Always(true)],
        }
    }

    /// Whether the hook is for this container.
    pub fn matches(&self, container: &Container) -> bool {
        let mut answers = self.conditions.iter().map(|c| c.answer(container));
        match self.combine {
            Combine::Any => answers.any(|answer| answer == Answer::Holds),
            Combine::All => {
                let mut holds = false;
                for answer in answers {
                    match answer {
                        Answer::Fails => return false,
                        Answer::Holds => holds = true,
                        Answer::Skipped => {}
                    }
                }
                holds
            }
        }
    }
}

impl Condition {
    pub(crate) fn answer(&self, container: &Container) -> Answer {
        let holds = match self {
            Condition::Always(always) => *always,
            Condition::HasBindMounts(wanted) => *wanted && container.has_bind_mounts,
            Condition::Annotation { key, value } => container
                .annotations
                .iter()
                .any(|(k, v)| key.is_match(k) && value.is_match(v)),
            Condition::Commands(patterns) => match &container.args {
                None => return Answer::Skipped,
                Some(args) => args
                    .first()
                    .is_some_and(|command| patterns.iter().any(|p| p.is_match(command))),
            },
        };
        if holds { Answer::Holds } else { Answer::Fails }
    }
}
