use crate::workspace::{TINY, Workspace};
use std::process::Stdio;

/// A stdout that nobody reads any more.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let workspace = Workspace::trained();
    for line in ["info run", "info run --json"] {
        let output = workspace.command(line).stdout(closed_pipe()).output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), [].as_slice()), "{line}");
    }
}

#[test]
fn a_run_outlives_its_readers() {
    let workspace = Workspace::new();
    let mut command = workspace.command(&format!("train --demo {TINY} --out run"));
    let status = command.stdout(closed_pipe()).stderr(closed_pipe()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(workspace.path("run/generator.pt").exists());
}
