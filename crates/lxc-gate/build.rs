//! Link arguments of the freestanding library.
#![forbid(unsafe_code)]

fn main() {
    for argument in [
        // No start files; of the C library only what lib.rs declares.
        "-nostartfiles",
        "-nodefaultlibs",
        "-Wl,--no-as-needed",
        "-lc",
        // What is missing is found here, not by the dynamic linker.
        "-Wl,-z,defs",
        "-Wl,--gc-sections",
        "-Wl,-z,noexecstack",
        "-Wl,-z,relro",
        "-Wl,-z,now",
        "-Wl,--build-id=none",
    ] {
        println!("cargo::rustc-link-arg-cdylib={argument}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
