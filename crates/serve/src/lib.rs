//! The web page that shows runs while they train and explores generators, and the HTTP service behind it.
//!
//! [`Service::bind`] listens on an address and [`Service::run`] answers until it is told to stop. Everything is
//! read-only: no request changes a file or starts a process. `docs/serve.md` lists the addresses, `SECURITY.md` what is
//! promised about requests from strangers.
//!
//! ```text
//! connection ─▶ server ─▶ guard ─▶ routes ─┬─▶ run_list, summary, metrics_log, events
//!                                          └─▶ faces ─▶ point ─▶ draw ─▶ models ─▶ dcgan::Generator
//! ```
//!
//! `server` accepts connections and limits their number and time, `guard` checks `Host`, token and origin. `point`
//! parses the noise that a request asks for, `draw` joins concurrent requests to batches, and `models` caches loaded
//! generators.

mod animation;
mod assets;
mod counters;
mod downsample;
mod draw;
mod error;
mod events;
mod faces;
mod guard;
mod metrics_log;
mod models;
mod point;
mod query;
mod report;
mod routes;
mod run_list;
mod sefa;
mod server;
mod slow;
mod summary;

pub use error::ServeError;
pub use report::write_report;
pub use server::{Address, Options, Service};
