//! The machine that a session runs on, for comparing two results that differ.

use std::env::consts::{ARCH, OS};

/// Returns operating system, architecture, and the processor's name if the system tells it.
pub(crate) fn machine_description() -> String {
    let processor = processor_name().map_or(String::new(), |name| format!(", {name}"));
    format!("{OS} {ARCH}{processor}")
}

/// Returns the processor's name; `None` if the system does not tell it.
pub fn processor_name() -> Option<String> {
    if cfg!(windows) {
        return std::env::var("PROCESSOR_IDENTIFIER").ok();
    }
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'))?.1;
    Some(name.trim().to_owned())
}
