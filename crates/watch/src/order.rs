//! Orders of whoever started us, a JSON object a line.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::process::Identity;

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Let a held start go.
    Release {
        /// The container's process.
        #[serde(flatten)]
        process: Identity,
        /// Whether it may go on, or fails.
        allow: bool,
    },
    /// Watch a container that was found in some other way; nothing of it is held.
    Watch {
        /// Its first process.
        pid: i32,
        /// Its id.
        id: String,
        /// Its bundle.
        bundle: PathBuf,
        /// What is said to be its runtime.
        runtime: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_as_they_are_written() {
        let release = r#"{"release":{"pid":42,"start":7,"allow":false}}"#;
        let process = Identity { pid: 42, start: 7 };
        let order = Order::Release {
            process,
            allow: false,
        };
        assert_eq!(serde_json::from_str::<Order>(release).unwrap(), order);
        assert_eq!(serde_json::to_string(&order).unwrap(), release);
        let watch = r#"{"watch":{"pid":42,"id":"c","bundle":"/b","runtime":"other"}}"#;
        let order: Order = serde_json::from_str(watch).unwrap();
        assert_eq!(serde_json::to_string(&order).unwrap(), watch);
        assert!(serde_json::from_str::<Order>(r#"{"release":{"pid":42}}"#).is_err());
    }
}
