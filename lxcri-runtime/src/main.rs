//! The command `lxcri`.
fn main() {}
