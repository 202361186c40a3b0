//! Runs one hook or one phase in the namespaces of the caller.
