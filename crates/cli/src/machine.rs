//! What computes here, for whoever wonders why two results differ.

use std::env::consts::{ARCH, OS};

/// Operating system, architecture, and the processor's name where the system tells.
pub(crate) fn describe() -> String {
    let processor = processor().map_or(String::new(), |name| format!(", {name}"));
    format!("{OS} {ARCH}{processor}")
}

/// The processor's name, where the system tells.
pub(crate) fn processor() -> Option<String> {
    if cfg!(windows) {
        return std::env::var("PROCESSOR_IDENTIFIER").ok();
    }
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'))?.1;
    Some(name.trim().to_owned())
}
