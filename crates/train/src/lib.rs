//! The training loop: data and engine in, events out.
