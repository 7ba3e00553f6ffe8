use crate::workspace::{TINY, Workspace};

#[test]
fn every_form_of_a_model_draws_the_faces_of_the_last_preview() {
    let workspace = Workspace::new();
    workspace.run(&format!("train --demo {TINY} --seed 3 --out run")).succeeds();
    let preview = workspace.png("run/samples/epoch-0002.png");
    for model in ["run", "run/generator.pt", "run/generator.safetensors"] {
        workspace.run(&format!("generate {model} --seed 3 --out new/sheet.png")).succeeds();
        assert!(workspace.png("new/sheet.png") == preview, "{model}");
    }
    workspace.run("generate run --seed 4").succeeds();
    assert!(workspace.png("faces.png") != preview);
}

#[test]
fn a_sheet_has_as_many_faces_as_asked_for() {
    let workspace = Workspace::trained();
    // More than are drawn at a time.
    for (count, columns, rows) in [(1, 1, 1), (8, 8, 1), (9, 8, 2), (300, 8, 38)] {
        workspace.run(&format!("generate run -n {count} --out {count}.png")).succeeds();
        let sheet = workspace.png(&format!("{count}.png"));
        assert_eq!((sheet.width, sheet.height), (columns * 34 + 2, rows * 34 + 2), "{count}");
        let last = (count - 1) % 8;
        let face = sheet.cut(2 + last * 34, sheet.height - 34, 32);
        assert!(face.pixels.iter().any(|&p| p != 0), "face {count} is missing");
    }
}

#[test]
fn a_seeds_face_depends_on_nothing_but_the_seed() {
    let workspace = Workspace::trained();
    workspace.run("generate run --seeds 0-300,70000 --out many --threads 2").succeeds();
    assert_eq!(workspace.names("many").len(), 302);
    workspace.run("generate run --seeds 70000,299,4,131 --out few --threads 1").succeeds();
    let few = ["seed-0004.png", "seed-0131.png", "seed-0299.png", "seed-70000.png"];
    assert_eq!(workspace.names("few"), few);
    for name in few {
        assert!(workspace.read(&format!("few/{name}")) == workspace.read(&format!("many/{name}")), "{name}");
    }
    assert!(workspace.read("many/seed-0004.png") != workspace.read("many/seed-0005.png"));
    // One face of a seed is the same on a sheet.
    workspace.run("generate run -n 1 --seed 131 --out one.png").succeeds();
    assert_eq!(workspace.png("one.png").cut(2, 2, 32), workspace.png("few/seed-0131.png"));
}

#[test]
fn impossible_requests_are_explained() {
    let workspace = Workspace::trained();
    workspace.write("notes.pt", "not a model");
    workspace.run("demo-data faces --count 1").succeeds();
    let refusals = [
        ("missing.pt", 1, "missing.pt: there is no such file"),
        ("notes.pt", 1, "it is a text file"),
        ("faces/00000.png", 1, "it is a PNG picture"),
        ("faces", 1, "holds no generator.safetensors"),
        ("run -n 0", 2, "choose 1 to"),
        ("run -n 99999999999", 2, "--seeds 0-99999999998"),
        ("run --out run", 1, "cannot write \"run\""),
        ("run --out notes.pt/sheet.png", 1, "notes.pt"),
        ("run --seeds 1 --out notes.pt", 1, "notes.pt"),
    ];
    for (line, status, words) in refusals {
        workspace.run(&format!("generate {line}")).fails(status, &[words]);
    }
    for (seeds, words) in [("5-1", "write 1-5"), ("x", "such as 0-999,2000"), ("4294967296", "0 to 4294967295")] {
        let answer = workspace.run(&format!("generate run --seeds {seeds} --out new"));
        assert_eq!(answer.status, Some(2), "{answer:?}");
        assert!(answer.stderr.starts_with("error: ") && answer.stderr.contains(words), "{answer:?}");
    }
}
