//! What every crate's tests share: fixtures, tolerances and gradient checks.
