//! Integration tests on the real binary.

mod cases;
mod fuzz;
mod harness;
mod shim;
mod style;
