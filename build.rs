//! Lets the machine code of the program begin at a page: profilers take the
//! address of the mapping for that of the segment.

fn main() {
    println!("cargo:rustc-link-arg-bins=-Wl,-z,separate-code");
    println!("cargo:rerun-if-changed=build.rs");
}
