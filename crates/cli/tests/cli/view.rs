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
    let epoch = ["step", "step", "step", "epoch", "preview", "health", "checkpoint"];
    assert_eq!(events, [&["started", "preview"][..], &epoch, &epoch, &["finished"]].concat());
    assert_eq!((lines[0]["steps"].as_u64(), lines[0]["folder"].as_str()), (Some(6), Some("run")));
    let Value::Object(mut step) = lines[2].clone() else { panic!("{:?}", lines[2]) };
    step.remove("event");
    let metrics = String::from_utf8(workspace.read("run/metrics.jsonl")).unwrap();
    let first: Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    assert_eq!(Value::Object(step), first);
    for line in lines.iter().filter(|line| line["event"] == "health") {
        let findings = line["findings"].as_array().unwrap();
        assert!(findings.iter().all(|finding| finding["finding"].is_string()), "{line}");
        assert!(line["epoch"].is_u64() && line["text"].is_string(), "{line}");
    }
    assert!(lines.iter().any(|line| line["findings"][0]["finding"].is_string()), "{lines:?}");
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

/// Frames in a GIF, and how long each is shown in hundredths of a second.
fn gif(bytes: &[u8]) -> Vec<u16> {
    let mut decoder = gif::DecodeOptions::new().read_info(bytes).unwrap();
    let mut delays = Vec::new();
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        delays.push(frame.delay);
    }
    delays
}

#[test]
fn a_timelapse_shows_every_epoch() {
    let workspace = Workspace::trained();
    let answer = workspace.run("timelapse run --fps 5 --hold 1").succeeds();
    assert!(answer.stderr.contains("3 samples of epochs 0 to 2, "), "{answer:?}");
    assert_eq!(gif(&workspace.read("timelapse.gif")), [20, 20, 100]);

    workspace.run("timelapse run --out frames --no-label --hold 0").succeeds();
    let frames = workspace.names("frames");
    assert_eq!(frames.len(), 3);
    for (epoch, frame) in frames.iter().enumerate() {
        let (frame, sheet) = (format!("frames/{frame}"), format!("run/samples/epoch-000{epoch}.png"));
        assert_eq!(workspace.png(&frame), workspace.png(&sheet));
    }
    for (file, start) in [("faces.png", &b"\x89PNG"[..]), ("faces.webp", b"RIFF")] {
        workspace.run(&format!("timelapse run --out {file}")).succeeds();
        assert!(workspace.read(file).starts_with(start), "{file}");
    }
}

#[test]
fn a_timelapse_needs_a_run() {
    let workspace = Workspace::trained();
    workspace.run("timelapse nothing").fails(1, &["nothing", "no run's folder"]);
    workspace.run("timelapse run --hold -1").fails(2, &["--hold"]);
    workspace.run("timelapse run --hold nan").fails(2, &["--hold"]);
    workspace.run("timelapse run --fps 0").fails(2, &["0 frames a second"]);
    workspace.run("timelapse run --out faces.txt").fails(2, &["faces.txt", ".gif"]);
    workspace.write("run/samples/epoch-0001.png", "no picture");
    workspace.run("timelapse run").fails(1, &["epoch-0001.png"]);
    let tiny = workspace.read("run/samples/epoch-0000.png");
    workspace.write("other/samples/epoch-0000.png", tiny);
    workspace.run("demo-data faces --count 1 --size 16").succeeds();
    workspace.write("other/samples/epoch-0001.png", workspace.read("faces/00000.png"));
    workspace.run("timelapse other").fails(1, &["epoch-0000.png", "16 × 16"]);
    assert!(!workspace.path("timelapse.gif").exists());
}
