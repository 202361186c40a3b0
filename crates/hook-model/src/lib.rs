//! Phases, validated hooks, the OCI state and the record of an execution.
#![forbid(unsafe_code)]
