//! Integration tests on the real binary.

mod cases;
mod harness;
mod shim;
mod style;
