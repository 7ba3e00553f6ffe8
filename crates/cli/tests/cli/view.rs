//! What a training shows while it runs.

use crate::workspace::{TINY, Workspace};
use serde_json::Value;

#[test]
fn a_quiet_run_says_nothing() {
    let workspace = Workspace::new();
    let answer = workspace.run(&format!("train --demo {TINY} --out run --quiet")).succeeds();
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("", ""));
    assert!(workspace.path("run/generator.pt").exists());
    workspace.run("train --demo --out run --quiet").fails(1, &["run", "not empty"]);
}

#[test]
fn json_tells_every_event() {
    let workspace = Workspace::new();
    let answer = workspace.run(&format!("train --demo {TINY} --out run --json")).succeeds();
    assert_eq!(answer.stderr, "");
    let lines: Vec<Value> = answer.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    let epoch = ["step", "step", "step", "epoch", "preview"];
    assert_eq!(events, [&["started", "preview"][..], &epoch, &epoch, &["finished"]].concat());
    assert_eq!((lines[0]["steps"].as_u64(), lines[0]["folder"].as_str()), (Some(6), Some("run")));
    let Value::Object(mut step) = lines[2].clone() else { panic!("{:?}", lines[2]) };
    step.remove("event");
    let metrics = String::from_utf8(workspace.read("run/metrics.jsonl")).unwrap();
    let first: Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    assert_eq!(Value::Object(step), first);
    for line in lines.iter().filter(|line| line["event"] == "preview") {
        assert!(workspace.path(line["file"].as_str().unwrap()).exists(), "{line}");
    }
}

#[test]
fn faces_are_shown_where_they_are_asked_for() {
    let workspace = Workspace::new();
    for (how, start) in
        [("kitty", "\u{1b}_Ga=T,f=100"), ("iterm", "\u{1b}]1337;File="), ("sixel", "\u{1b}P"), ("blocks", "▀")]
    {
        let answer = workspace.run(&format!("train --demo {TINY} --out {how} --preview {how}")).succeeds();
        assert!(answer.stderr.lines().filter(|line| line.contains(start)).count() >= 3, "{how}: {answer:?}");
    }
    // Here stderr is no terminal.
    for how in ["terminal", "off"] {
        let answer = workspace.run(&format!("train --demo {TINY} --out {how} --preview {how}")).succeeds();
        assert!(!answer.stderr.contains('\u{1b}'), "{how}: {answer:?}");
    }
    let answer = workspace.run("train --demo --preview gif");
    assert_eq!(answer.status, Some(2));
    assert!(answer.stderr.contains("[possible values: terminal, kitty,"), "{answer:?}");
}
