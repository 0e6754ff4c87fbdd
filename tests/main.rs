//! Integration tests on the real binary.

#[allow(dead_code, unused_imports)]
mod harness;
mod style;
