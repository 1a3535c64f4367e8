//! The figures of docs/performance.md that need a browser. Prints; asserts nothing.
//! `cargo xtask measure` runs it in release.

