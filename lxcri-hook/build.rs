//! Link arguments of the freestanding launcher.
#![forbid(unsafe_code)]

fn main() {
    let arguments = [
        // No start files and no libraries: the launcher has its own `_start` and memory functions.
        "-nostartfiles",
        "-nostdlib",
        // Static without position independence: no interpreter, no dynamic section, nothing to relocate at start.
        "-static",
        "-no-pie",
        "-Wl,--build-id=none",
        "-Wl,-z,max-page-size=4096",
        // W^X and the stack are stated, not left to the linker's default.
        "-Wl,-z,noexecstack",
        "-Wl,-z,norelro",
        "-Wl,--gc-sections",
        // Nothing unwinds here, so nothing looks the frames up.
        "-Wl,--no-eh-frame-hdr",
    ];
    for argument in arguments {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/discard.ld");
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{script}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=discard.ld");
}
