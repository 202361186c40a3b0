//! Builds the probe a second time, static and with plain rustc, because it must run in images that hold nothing else.
//! (The cargo target of the same sources exists so that clippy and rustfmt see them.)
#![forbid(unsafe_code)]

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=probe");
    println!("cargo::rerun-if-changed=build.rs");
    let var = |name: &str| env::var_os(name).unwrap_or_else(|| panic!("cargo did not set {name}"));
    let out = PathBuf::from(var("OUT_DIR")).join("lxcri-probe");
    let status = Command::new(var("RUSTC"))
        .args([
            "--edition",
            "2024",
            "--crate-name",
            "lxcri_probe",
            "-O",
            "-C",
            "target-feature=+crt-static",
        ])
        .args([
            "-C",
            "panic=abort",
            "-C",
            "strip=symbols",
            "-C",
            "relocation-model=static",
            "--target",
        ])
        .arg(var("TARGET"))
        .args(["probe/main.rs", "-o"])
        .arg(&out)
        .status();
    match status {
        Ok(status) if status.success() => {
            println!("cargo::rustc-env=LXCRI_PROBE={}", out.display())
        }
        Ok(status) => panic!("rustc probe/main.rs: {status}"),
        Err(e) => panic!("rustc probe/main.rs: {e}"),
    }
}
