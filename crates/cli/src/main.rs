//! The `dcgan` program.
fn main() {}
