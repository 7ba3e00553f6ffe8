//! Tests that drive the real program, with networks so small that a run takes a fraction of a second.

// Helpers are not inside `#[test]` functions, but they are tests all the same.
#![allow(clippy::unwrap_used)]

mod bench;
mod check;
mod convert;
mod demo_data;
mod devices;
mod generate;
mod info;
mod interpolate;
mod neighbours;
mod pipes;
mod project;
mod refusals;
mod resume;
mod shell;
mod train;
mod view;
mod workspace;
