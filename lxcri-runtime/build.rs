//! Links libseccomp into the program where its static library is installed.
//!
//! That is one library less to find, map and relocate at each start of a program that lives for a few
//! milliseconds. The crate `libseccomp-sys` can link statically only when told the directory of the
//! library, which differs between distributions and architectures; the linker knows it. So a linker
//! script in the place of `libseccomp.so`, found before the real one, names the static library.
//! LIBSECCOMP_LINK_TYPE in the environment, which that crate reads, leaves everything to it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBSECCOMP_LINK_TYPE");
    if env::var_os("LIBSECCOMP_LINK_TYPE").is_some() {
        return;
    }
    let Some(library) = static_library() else {
        println!("cargo:warning=no static libseccomp found, linking the shared one");
        return;
    };
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else {
        return;
    };
    let script = format!("INPUT(\"{}\")\n", library.display());
    match fs::write(out.join("libseccomp.so"), script) {
        Ok(()) => println!("cargo:rustc-link-search=native={}", out.display()),
        Err(error) => println!(
            "cargo:warning=write({}/libseccomp.so): {error}",
            out.display()
        ),
    }
}

/// The static library that the linker of the target would take.
fn static_library() -> Option<PathBuf> {
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let output = Command::new(linker)
        .arg("-print-file-name=libseccomp.a")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    // A file that is not found is answered with its bare name.
    let path = Path::new(text.trim());
    (path.is_absolute() && path.is_file()).then(|| path.to_owned())
}
