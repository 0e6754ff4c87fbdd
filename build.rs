//! What profilers need of the program: a number that it shares with its
//! file of symbols, and machine code that begins at a page, for they take
//! the address of the mapping for that of the segment.

fn main() {
    for flag in ["--build-id", "-z,separate-code"] {
        println!("cargo:rustc-link-arg-bins=-Wl,{flag}");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
