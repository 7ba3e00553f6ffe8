//! Nothing is overwritten unless that is asked for.

use crate::workspace::Workspace;
use serde_json::Value;

#[test]
fn a_default_name_that_is_taken_gets_a_number() {
    let workspace = Workspace::trained();
    workspace.run("demo-data pictures --count 24 --size 32").succeeds();
    for (line, files) in [
        ("generate run -n 1", ["faces.png", "faces-1.png"]),
        ("generate run -n 1 --format webp", ["faces.webp", "faces-1.webp"]),
        ("interpolate run --seeds 1,2 --steps 1", ["interpolation.gif", "interpolation-1.gif"]),
        ("project pictures/00000.png run --starts 1 --steps 1", ["projection.png", "projection-1.png"]),
        ("neighbours run pictures -n 1", ["neighbours.png", "neighbours-1.png"]),
        ("timelapse run", ["timelapse.gif", "timelapse-1.gif"]),
    ] {
        workspace.run(line).succeeds();
        let first = workspace.read(files[0]);
        let answer = workspace.run(line).succeeds();
        assert!(format!("{}{}", answer.stdout, answer.stderr).contains(files[1]), "{line}: {answer:?}");
        assert!(workspace.read(files[0]) == first && workspace.path(files[1]).exists(), "{line}");
    }
    assert!(workspace.path("projection.npy").exists() && workspace.path("projection-1.npy").exists());
}

#[test]
fn a_chosen_file_that_exists_is_refused() {
    let workspace = Workspace::trained();
    workspace.run("demo-data pictures --count 24 --size 32").succeeds();
    for (line, file) in [
        ("generate run -n 1 --out kept.png", "kept.png"),
        ("generate run -n 1 --save-latents kept.npy", "kept.npy"),
        ("interpolate run --seeds 1,2 --steps 1 --out kept.webp", "kept.webp"),
        ("project pictures/00000.png run --starts 1 --steps 1 --out kept.jpg", "kept.jpg"),
        ("project pictures/00000.png run --starts 1 --steps 1 --save-latents kept.safetensors", "kept.safetensors"),
        ("neighbours run pictures -n 1 --out kept-too.png", "kept-too.png"),
        ("timelapse run --out kept.gif", "kept.gif"),
        ("convert run kept.pth", "kept.pth"),
        ("check pictures --image-size 32 --no-cache --sheet sheet.png", "sheet.png"),
    ] {
        workspace.write(file, "kept");
        workspace.run(line).fails(2, &[file, "exists and is not overwritten", "--force"]);
        assert_eq!(workspace.read(file), b"kept", "{line}");
        workspace.run(&format!("{line} --force")).succeeds();
        assert!(workspace.read(file) != b"kept", "{line}");
    }
}

#[test]
fn files_in_a_folder_are_kept_too() {
    let workspace = Workspace::trained();
    workspace.run("generate run --seeds 3-5 --out faces").succeeds();
    // Other faces are added.
    workspace.run("generate run --seeds 6 --out faces").succeeds();
    workspace.run("generate run -n 2 --out faces").succeeds();
    for (line, file) in [
        ("generate run --seeds 5-6 --out faces", "seed-000"),
        ("generate run -n 9 --out faces", "face-000"),
        ("interpolate run --seeds 1,2 --steps 1 --out frames", "frame-0000"),
        ("timelapse run --out frames", "frame-0000"),
        ("man pages", "dcgan"),
    ] {
        if !workspace.path("frames").exists() {
            workspace.write("frames/frame-00000.png", "kept");
            workspace.write("pages/dcgan.1", "kept");
        }
        workspace.run(line).fails(2, &[file, "not overwritten", "--force"]);
        workspace.run(&format!("{line} --force")).succeeds();
    }
}

#[test]
fn a_hyphen_is_standard_output() {
    let workspace = Workspace::trained();
    workspace.run("demo-data pictures --count 1 --size 32").succeeds();
    let start = |line: &str| {
        let output = workspace.command(line).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
        output.stdout[..6].to_vec()
    };
    assert!(start("generate run -n 1 --out -").starts_with(b"\x89PNG"));
    assert!(start("generate run -n 1 --out - --format jpg").starts_with(b"\xff\xd8\xff"));
    assert!(start("interpolate run --seeds 1,2 --steps 1 --out -").starts_with(b"GIF89a"));
    assert!(start("project pictures/00000.png run --starts 1 --steps 1 --out -").starts_with(b"\x89PNG"));
    assert!(start("timelapse run --out -").starts_with(b"GIF89a"));
    assert!(start("convert run - --format pt").starts_with(b"PK"));
    assert!(start("neighbours run pictures -n 1 --no-cache --out -").starts_with(b"\x89PNG"));
    assert!(start("check pictures --image-size 32 --no-cache --sheet -").starts_with(b"\x89PNG"));
    workspace.run("convert run a.safetensors").succeeds();
    let output = workspace.command("convert run - --format safetensors").output().unwrap();
    assert!(output.stdout == workspace.read("a.safetensors"));
    assert_eq!(workspace.names("."), ["a.safetensors", "pictures", "projection.npy", "run"]);
}

#[test]
fn pictures_have_a_size_that_can_be_seen() {
    let workspace = Workspace::trained();
    workspace.run_plain("generate run -n 1 --out one.png").succeeds();
    workspace.run_plain("generate run --out many.png").succeeds();
    // A face of 32 pixels and its frame have 36.
    assert_eq!((workspace.png("one.png").width, workspace.png("many.png").width), (32 * 15 + 4, 8 * 66 + 2));
    let answer = workspace.run_plain("interpolate run --seeds 1,2 --steps 2").succeeds();
    assert!(answer.stderr.contains("4 frames of 192 × 192 pixels in interpolation.gif: 0.2 s, "), "{answer:?}");
    workspace.run_plain("interpolate run --grid 3x2 --steps 2 --out grid.gif").succeeds();
}

#[test]
fn what_was_written_can_be_read_by_programs() {
    let workspace = Workspace::trained();
    workspace.run("demo-data pictures --count 1 --size 32").succeeds();
    for (line, key, value) in [
        ("generate run -n 3 --out a.png", "faces", Value::from(3)),
        ("generate run --seeds 3-4 --out faces", "folder", Value::from("faces")),
        ("interpolate run --seeds 1,2 --steps 3 --out a.gif", "frames", Value::from(6)),
        ("project pictures/00000.png run --starts 1 --steps 1", "latents", Value::from("projection.npy")),
        ("timelapse run --out b.gif", "last_epoch", Value::from(2)),
        ("convert run a.pth", "file", Value::from("a.pth")),
    ] {
        let answer = workspace.run(&format!("{line} --json")).succeeds();
        let report: Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(report[key], value, "{line}: {answer:?}");
    }
    workspace.run("generate run --out - --json").fails(2, &["both write to standard output"]);
}
