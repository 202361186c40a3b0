//! Names and byte format of the on-disk hook tree.
#![no_std]
#![forbid(unsafe_code)]
