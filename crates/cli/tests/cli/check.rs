use crate::workspace::{TINY, Workspace};
use std::fs;

/// Five faces, a copy of one, a broken file, a text and a drawing.
fn heap() -> Workspace {
    let workspace = Workspace::new();
    workspace.run("demo-data heap --count 5 --size 48").succeeds();
    workspace.write("heap/copies/again.png", workspace.read("heap/00003.png"));
    workspace.write("heap/broken.png", &workspace.read("heap/00000.png")[..200]);
    workspace.write("heap/notes.txt", "not a picture");
    workspace.write("heap/drawing.SVG", "<svg/>");
    workspace
}

#[test]
fn everything_is_counted() {
    let workspace = heap();
    let answer = workspace.run("check heap --sheet sheet.png").succeeds();
    for line in [
        "pictures  6 can be used, 1 cannot; 2 other files (1 .svg, 1 .txt)\n",
        "odd       1 picture is of a kind that is not read (1 .svg): save them as PNG or JPEG\n",
        "formats   6 PNG\n",
        "channels  6 RGB\n",
        "sizes     6 of 48 × 48\n",
        "fitted    to 64 × 64 pixels in colour; the darkest is ",
        "odd       1 picture repeats another: \"00003.png\" = \"copies/again.png\"\n",
        "left out  1 that cannot be used:\n          \"heap/broken.png\": the PNG file is cut short\n",
    ] {
        assert!(answer.stdout.contains(line), "no {line:?} in {}", answer.stdout);
    }
    let sheet = workspace.png("sheet.png");
    assert_eq!((sheet.width, sheet.height, sheet.channels), (700, 398, 3));

    // The second time from the cache, and with the same words.
    let again = workspace.run("check heap").succeeds();
    assert!(again.stderr.contains("cache     read from"), "{again:?}");
    assert_eq!(again.stdout, answer.stdout);
    let without = workspace.run("check heap --no-cache").succeeds();
    assert_eq!((without.stdout, without.stderr.contains("cache")), (answer.stdout, false));
}

#[test]
fn json_has_every_name() {
    let workspace = heap();
    let answer = workspace.run("check heap --json --image-size 128 --channels 1 --cache here").succeeds();
    let json: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!((&json["pictures"], &json["other_files"]), (&6.into(), &2.into()));
    assert_eq!(json["other_kinds"], serde_json::json!({ ".svg": 1, ".txt": 1 }));
    assert_eq!(json["formats"]["PNG"], 6);
    assert_eq!(json["sample"]["shape"], serde_json::json!([1, 128, 128]));
    assert_eq!(json["left_out"][0]["path"], "heap/broken.png");
    assert_eq!(json["tiny"]["side_below"], 64);
    assert_eq!(json["tiny"]["paths"].as_array().unwrap().len(), 6);
    assert_eq!(json["identical"][0].as_array().unwrap().len(), 2);
    assert_eq!(workspace.names("here").len(), 1);
}

#[test]
fn strict_refuses_what_would_be_left_out() {
    let workspace = heap();
    workspace.run("check heap --strict").fails(1, &["1 of the pictures cannot be used", "broken.png", "--strict"]);
    workspace
        .run(&format!("train heap {} --strict --out run", TINY.replace("--batch-size 8", "--batch-size 4")))
        .fails(1, &["broken.png", "--strict"]);
    assert!(!workspace.path("run").exists(), "nothing is begun");
    fs::remove_file(workspace.path("heap/broken.png")).unwrap();
    workspace.run("check heap --strict").succeeds();
}

#[test]
fn moving_pictures_are_named() {
    let workspace = heap();
    let mut file = Vec::new();
    let mut encoder = gif::Encoder::new(&mut file, 64, 64, &[0, 0, 0, 255, 255, 255]).unwrap();
    for color in [0, 1] {
        let buffer = (0..64 * 64).map(|i| (i % 2) as u8 ^ color).collect::<Vec<u8>>();
        let frame = gif::Frame { width: 64, height: 64, buffer: buffer.into(), ..Default::default() };
        encoder.write_frame(&frame).unwrap();
    }
    drop(encoder);
    workspace.write("heap/moves.gif", file);
    let answer = workspace.run("check heap").succeeds();
    let expected = "odd       1 moving, of which the first frame is used: \"moves.gif\"\n";
    assert!(answer.stdout.contains(expected), "{}", answer.stdout);
    // From the cache, too.
    assert_eq!(workspace.run("check heap").succeeds().stdout, answer.stdout);
    let json: serde_json::Value = serde_json::from_str(&workspace.run("check heap --json").succeeds().stdout).unwrap();
    assert_eq!(json["animated"], serde_json::json!(["heap/moves.gif"]));
}

#[test]
fn a_sheet_goes_to_standard_output() {
    let workspace = heap();
    workspace.run("check heap --sheet sheet.png").succeeds();
    let sheet = workspace.command("check heap --sheet -").output().unwrap().stdout;
    assert!(sheet == workspace.read("sheet.png"));
    workspace.run("check heap --sheet - --json").fails(2, &["--json", "--sheet -"]);
    workspace.run("check heap --sheet sheet.png").fails(2, &["sheet.png", "--force"]);
}

#[test]
fn a_sheet_is_a_png() {
    heap().run("check heap --sheet sheet.jpg").fails(2, &["sheet.jpg", ".png"]);
}

#[test]
fn too_few_pictures_for_a_batch_are_refused_with_advice() {
    let workspace = heap();
    let line = format!("train heap {TINY} --out run");
    workspace
        .run(&line)
        .fails(1, &["\"heap\" has 6 pictures that can be used", "a batch needs 8", "--batch-size 6 or less"]);
    workspace.write("bad/a.png", "text");
    let answer = workspace.run("check bad");
    assert!(answer.stdout.contains("left out  \"bad/a.png\": it is not a picture"), "{answer:?}");
    answer.fails(1, &["none of the 1 pictures in \"bad\" can be used"]);
}

#[test]
fn fitting_options_change_what_is_learnt_and_are_written_down() {
    let workspace = Workspace::new();
    workspace.run("demo-data faces --count 8 --size 48").succeeds();
    let train = |options: &str, out: &str| {
        workspace
            .run(&format!("train faces {} --epochs 1 {options} --out {out}", TINY.replace(" --epochs 2", "")))
            .succeeds();
        workspace.read(&format!("{out}/generator.safetensors"))
    };
    let plain = train("", "plain");
    assert!(train("--flip", "flipped") != plain);
    assert!(train("--filter nearest", "nearest") != plain);
    assert!(train("--fit pad --background black", "padded") == plain, "square pictures fit as they are");
    let config = String::from_utf8(workspace.read("flipped/config.toml")).unwrap();
    assert!(config.contains("flip = true") && config.contains("fit = \"stretch\""), "{config}");
    workspace.run("train --config flipped/config.toml --out again").succeeds();
    assert!(workspace.read("again/generator.safetensors") == workspace.read("flipped/generator.safetensors"));
    let answer = workspace.run("train faces --fit squeeze");
    assert!(answer.status == Some(2) && answer.stderr.contains("choose stretch, crop or pad"), "{answer:?}");
}
