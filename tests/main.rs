//! Integration tests on the real binary.

mod style;
