//! What our processes say to one another.

use serde::{Deserialize, Serialize};

use crate::file_id::FileId;

/// From the responder to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A task is held in the execution of a marked file.
    Held {
        /// Which event.
        number: u64,
        /// The thread that executes.
        tid: i32,
        /// What it executes.
        file: FileId,
    },
    /// The answer to an order to mark: 0, or the number of the error.
    Marked {
        /// As in the order.
        token: u64,
        /// What fanotify_mark said.
        errno: i32,
    },
}

/// From the worker to the responder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Let a task go on, or make its execve fail with EPERM.
    Answer {
        /// Which event.
        number: u64,
        /// Whether it may execute the file.
        allow: bool,
    },
    /// Mark the file whose descriptor comes along.
    Mark {
        /// To tell the answers apart.
        token: u64,
    },
    /// Remove the mark of the file whose descriptor comes along.
    Unmark,
}

/// Between the supervisor and its two children.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control {
    /// Supervisor: say that you live.
    Ping,
    /// Responder and worker: the answer.
    Pong(Report),
    /// Supervisor: the channel to the other child comes along.
    Peer,
    /// Responder: starts passed unseen. Supervisor to worker: look for what you have missed.
    Gap,
    /// A child: it does what it is there for.
    Ready,
    /// A child: it cannot, and why.
    Failed(String),
}

/// How the responder is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Milliseconds until the earliest deadline of what is held; negative when it is over. `None`: nothing is held.
    pub due: Option<i64>,
    /// How many starts were let go because their deadline was over.
    pub expired: u64,
    /// How many starts passed because there was no worker, no room for a descriptor, or the queue had overflowed.
    pub unseen: u64,
}

/// A fixed number of words is enough for everything on the way of a start.
type Words = [u64; 5];

fn encode(words: Words) -> [u8; size_of::<Words>()] {
    let mut bytes = [0; size_of::<Words>()];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<Words> {
    let mut words = [0; 5];
    if bytes.len() != size_of::<Words>() {
        return None;
    }
    for (word, place) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_ne_bytes(place.try_into().ok()?);
    }
    Some(words)
}

impl Notice {
    /// The bytes of a message.
    pub fn encode(self) -> [u8; size_of::<Words>()] {
        encode(match self {
            Notice::Held { number, tid, file } => [
                0,
                number,
                u64::from(tid.unsigned_abs()),
                file.device,
                file.inode,
            ],
            Notice::Marked { token, errno } => [1, token, u64::from(errno.unsigned_abs()), 0, 0],
        })
    }

    /// The message of these bytes.
    pub fn decode(bytes: &[u8]) -> Option<Notice> {
        let number = |word: u64| i32::try_from(word).ok();
        match decode(bytes)? {
            [0, event, tid, device, inode] => Some(Notice::Held {
                number: event,
                tid: number(tid)?,
                file: FileId { device, inode },
            }),
            [1, token, errno, 0, 0] => Some(Notice::Marked {
                token,
                errno: number(errno)?,
            }),
            _ => None,
        }
    }
}

impl Order {
    /// The bytes of a message.
    pub fn encode(self) -> [u8; size_of::<Words>()] {
        encode(match self {
            Order::Answer { number, allow } => [0, number, u64::from(allow), 0, 0],
            Order::Mark { token } => [1, token, 0, 0, 0],
            Order::Unmark => [2, 0, 0, 0, 0],
        })
    }

    /// The message of these bytes.
    pub fn decode(bytes: &[u8]) -> Option<Order> {
        match decode(bytes)? {
            [0, number, allow @ (0 | 1), 0, 0] => Some(Order::Answer {
                number,
                allow: allow == 1,
            }),
            [1, token, 0, 0, 0] => Some(Order::Mark { token }),
            [2, 0, 0, 0, 0] => Some(Order::Unmark),
            _ => None,
        }
    }
}

impl Control {
    /// The bytes of a message; a reason that is too long for one is cut.
    pub fn encode(&self) -> Vec<u8> {
        let short = match self {
            Control::Failed(reason) => Control::Failed(reason.chars().take(500).collect()),
            other => other.clone(),
        };
        serde_json::to_vec(&short).unwrap_or_default()
    }

    /// The message of these bytes.
    pub fn decode(bytes: &[u8]) -> Option<Control> {
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back() {
        let file = FileId {
            device: 1 << 40,
            inode: u64::MAX,
        };
        let notices = [
            Notice::Held {
                number: 7,
                tid: 42,
                file,
            },
            Notice::Marked {
                token: 3,
                errno: 13,
            },
        ];
        for notice in notices {
            assert_eq!(Notice::decode(&notice.encode()), Some(notice));
        }
        let answers = [true, false].map(|allow| Order::Answer { number: 9, allow });
        for order in answers
            .into_iter()
            .chain([Order::Mark { token: 1 }, Order::Unmark])
        {
            assert_eq!(Order::decode(&order.encode()), Some(order));
        }
        let report = Report {
            due: Some(-5),
            expired: 1,
            unseen: 2,
        };
        for control in [
            Control::Ping,
            Control::Pong(report),
            Control::Failed("x".into()),
        ] {
            assert_eq!(Control::decode(&control.encode()), Some(control));
        }
        assert_eq!(Notice::decode(b"x"), None);
        assert!(Control::Failed("é".repeat(9000)).encode().len() < 4096);
    }
}
