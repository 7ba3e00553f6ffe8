//! Tests that drive the real program, with networks so small that a run takes a fraction of a second.

// Helpers are not inside `#[test]` functions, but they are tests all the same.
#![allow(clippy::unwrap_used)]

mod bench;
mod check;
mod convert;
mod demo_data;
mod devices;
mod epochs;
mod evaluate;
mod generate;
mod info;
mod interpolate;
mod models;
mod neighbours;
mod nothing_lost;
mod outputs;
mod pipes;
mod project;
mod refusals;
mod resume;
mod runs;
#[cfg(feature = "serve")]
mod serve;
mod shards;
mod shell;
mod train;
mod view;
mod workspace;
