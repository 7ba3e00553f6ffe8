use crate::workspace::{TINY, Workspace};

#[test]
fn every_format_draws_the_same_faces() {
    let workspace = Workspace::new();
    workspace.run(&format!("train --demo {TINY} --recalibrate --seed 3 --out run")).succeeds();
    let preview = workspace.png("run/samples/epoch-0002.png");
    // From each to the next.
    let mut from = "run".to_owned();
    for to in ["a.pt", "b.pth", "c.safetensors", "d.PTH", "e.safetensors", "f.pt"] {
        workspace.run(&format!("convert {from} {to}")).succeeds();
        workspace.run(&format!("generate {to} --seed 3 --force")).succeeds();
        assert!(workspace.png("faces.png") == preview, "{to}");
        from = to.to_owned();
    }
    assert!(workspace.read("a.pt") == workspace.read("f.pt"), "nothing is lost on the way");
    workspace.run("convert b.pth named.pth --prefix main").succeeds();
    workspace.run("convert a.pt uint8.pth --uint8").succeeds();
    for model in ["named.pth", "uint8.pth"] {
        workspace.run(&format!("generate {model} --seed 3 --force")).succeeds();
        assert!(workspace.png("faces.png") == preview, "{model}");
    }
    for line in ["convert a.pt a.onnx", "convert a.pt uint8.onnx --uint8"] {
        workspace.run(line).succeeds();
    }
    assert!(workspace.names(".").iter().all(|name| !name.starts_with('.')), "no temporary file is left");
}

#[test]
fn what_cannot_be_converted_is_explained() {
    let workspace = Workspace::trained();
    workspace.write("notes.pt", "not a model");
    workspace.run("convert run generator.onnx").succeeds();
    workspace.write("kept.pth", "as it was");
    let refusals = [
        ("run model.bin", 2, "\"model.bin\" does not say which format is wanted: name it .pt"),
        ("run model", 2, "does not say which format"),
        ("run model.safetensors --uint8", 2, "--uint8 needs a format that holds code"),
        ("run model.pt --prefix main", 2, "--prefix is for .pth and .safetensors"),
        ("run model.onnx --prefix main", 2, "--prefix is for .pth and .safetensors"),
        ("notes.pt model.pth", 1, "notes.pt: it is a text file"),
        ("missing.pt kept.pth --force", 1, "missing.pt: there is no such file"),
        ("generator.onnx model.pt", 1, "is written and not read"),
        ("run/generator.pt model.pth --network discriminator", 1, "it holds no discriminator, but a generator"),
        ("run notes.pt/model.pt", 1, "cannot write \"notes.pt/model.pt\""),
        (
            "run kept.pth",
            2,
            "OUT \"kept.pth\" exists and is not overwritten: choose another name, or replace it with --force",
        ),
        ("run", 2, "name the file to write after \"run\", such as: dcgan convert run generator.onnx"),
        ("run -", 2, "add --format pt, pth, safetensors or onnx"),
        ("run a.pt --format pt", 2, "--format is for standard output"),
        ("run nowhere/model.pt", 1, "cannot write \"nowhere/model.pt\""),
    ];
    for (line, status, words) in refusals {
        workspace.run(&format!("convert {line}")).fails(status, &[words]);
    }
    assert_eq!(workspace.read("kept.pth"), b"as it was");
    assert!(!workspace.path("model.pth").exists());
    for (line, words) in [("", "<IN>"), ("run a.pt --uint8 --prefix a", "cannot be used with")] {
        let answer = workspace.run(&format!("convert {line}"));
        assert_eq!(answer.status, Some(2), "{answer:?}");
        assert!(answer.stderr.contains(words), "{answer:?}");
    }
}
