//! Links lxcri-inject statically where the C library's archive is installed.
//!
//! The program lives for less than a millisecond in front of every call of a runtime, and finding, mapping and relocating
//! shared libraries is most of what it would take. `crt-static` is a flag for all packages of a build, macros included;
//! so linker scripts in the place of the shared libraries, found before the real ones, name the archives.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What rustc links programs to, and the archive that has it.
const LIBRARIES: [(&str, &str); 3] = [("c", "libc.a"), ("m", "libm.a"), ("gcc_s", "libgcc_eh.a")];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else {
        return;
    };
    if let Err(reason) = write_scripts(&out) {
        println!("cargo::warning={reason}, linking the shared libraries");
        return;
    }
    println!("cargo::rustc-link-arg-bin=lxcri-inject=-L{}", out.display());
    println!("cargo::rustc-link-arg-bin=lxcri-inject=-static-pie");
}

fn write_scripts(out: &Path) -> Result<(), String> {
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    for (name, archive) in LIBRARIES {
        let output = Command::new(&linker)
            .arg(format!("-print-file-name={archive}"))
            .output()
            .map_err(|e| format!("{}: {e}", linker.display()))?;
        let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        // A file that is not found is answered with its bare name.
        if !Path::new(&path).is_absolute() {
            return Err(format!("no static {archive} found"));
        }
        let script = out.join(format!("lib{name}.so"));
        fs::write(&script, format!("INPUT(\"{path}\")\n"))
            .map_err(|e| format!("write({}): {e}", script.display()))?;
    }
    Ok(())
}
