use crate::workspace::{Png, TINY, Workspace};

#[test]
fn every_form_of_a_model_draws_the_faces_of_the_last_preview() {
    let workspace = Workspace::new();
    // Whose statistics are taken anew is shown as it is saved.
    workspace.run(&format!("train --demo {TINY} --recalibrate --seed 3 --out run")).succeeds();
    let preview = workspace.png("run/samples/epoch-0002.png");
    for model in ["run", "run/generator.pt", "run/generator.safetensors"] {
        workspace.run(&format!("generate {model} --seed 3 --force --out new/sheet.png")).succeeds();
        assert!(workspace.png("new/sheet.png") == preview, "{model}");
    }
    workspace.run("generate run --seed 4").succeeds();
    assert!(workspace.png("faces.png") != preview);
}

/// As the tutorial shows them: the preview of another run is drawn with batch statistics, and its generator with
/// running ones.
#[test]
fn previews_have_statistics_of_their_own() {
    let workspace = Workspace::new();
    workspace.run(&format!("train --demo {TINY} --seed 3 --out run")).succeeds();
    workspace.run("generate run --seed 3").succeeds();
    let [sheet, preview] = ["faces.png", "run/samples/epoch-0002.png"].map(|name| workspace.png(name));
    assert_eq!((sheet.width, sheet.height), (preview.width, preview.height));
    assert!(sheet != preview);
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
fn a_sheet_shows_the_faces_of_its_seeds_in_their_order() {
    let workspace = Workspace::trained();
    workspace.run("generate run --seeds 0-9 --out few").succeeds();
    workspace.run("generate run --seeds 7,3,3,9 --columns 2 --out sheet.png").succeeds();
    let sheet = workspace.png("sheet.png");
    assert_eq!((sheet.width, sheet.height), (2 * 34 + 2, 2 * 34 + 2));
    for (place, seed) in [7, 3, 3, 9].into_iter().enumerate() {
        let face = sheet.cut(2 + place % 2 * 34, 2 + place / 2 * 34, 32);
        assert_eq!(face, workspace.png(&format!("few/seed-{seed:04}.png")));
    }
}

#[test]
fn numbered_faces_in_a_folder_are_those_of_the_sheet() {
    let workspace = Workspace::trained();
    // 131 vectors of 4 values are no whole number of PyTorch's blocks of 16.
    workspace.run("generate run -n 131 --seed 6 --out faces").succeeds();
    workspace.run("generate run -n 131 --seed 6 --out sheet.png").succeeds();
    let sheet = workspace.png("sheet.png");
    assert_eq!(workspace.names("faces").len(), 131);
    for index in [0, 127, 128, 130] {
        let face = sheet.cut(2 + index % 8 * 34, 2 + index / 8 * 34, 32);
        assert_eq!(face, workspace.png(&format!("faces/face-{index:04}.png")), "{index}");
    }
}

#[test]
fn saved_noise_draws_the_same_faces_again() {
    let workspace = Workspace::trained();
    workspace.run("generate run -n 9 --seed 4 --trunc 0.5 --out a.png --save-latents new/z.npy").succeeds();
    workspace.run("generate run --latents new/z.npy --out b.png --save-latents z.safetensors").succeeds();
    workspace.run("generate run --latents z.safetensors --out c.png").succeeds();
    workspace.run("generate run -n 9 --seed 4 --out d.png").succeeds();
    let a = workspace.read("a.png");
    assert!(a == workspace.read("b.png") && a == workspace.read("c.png"));
    assert!(a != workspace.read("d.png"), "truncated faces are others");
    assert_eq!(workspace.names("new"), ["z.npy"]);

    workspace.run("generate run --seeds 0-200 --out faces --save-latents all.npy").succeeds();
    workspace.run("generate run --latents all.npy --out again").succeeds();
    assert!(workspace.read("faces/seed-0200.png") == workspace.read("again/face-0200.png"));
}

#[test]
fn the_discriminator_chooses_the_best_of_several() {
    let workspace = Workspace::trained();
    let newest = workspace.names("run/checkpoints").pop().unwrap();
    // Every way to name the discriminator is the same; batches of candidates do not matter.
    workspace.run("generate run --seeds 0-40 --best-of 5 --out a --save-latents a.npy --threads 1").succeeds();
    workspace
        .run(&format!("generate run/checkpoints/{newest} --seeds 9,38-40 --best-of 5 --out b --threads 2"))
        .succeeds();
    workspace
        .run(&format!(
            "generate run/generator.pt --seeds 9 --best-of 5 --discriminator run/checkpoints/{newest} --out c"
        ))
        .succeeds();
    for name in ["seed-0009.png", "seed-0040.png"] {
        assert!(workspace.read(&format!("a/{name}")) == workspace.read(&format!("b/{name}")), "{name}");
    }
    assert!(workspace.read("a/seed-0009.png") == workspace.read("c/seed-0009.png"));
    // One in five keeps its own face, by chance; the noise that is saved is that of the face that was kept.
    workspace.run("generate run --seeds 0-40 --out first").succeeds();
    let kept = workspace
        .names("a")
        .iter()
        .filter(|name| workspace.read(&format!("a/{name}")) == workspace.read(&format!("first/{name}")))
        .count();
    assert!((1..25).contains(&kept), "{kept} of 41");
    workspace.run("generate run --latents a.npy --out again").succeeds();
    assert!(workspace.read("again/face-0009.png") == workspace.read("a/seed-0009.png"));
    workspace.run("generate run -n 6 --best-of 4 --out sheet.png").succeeds();
}

#[test]
fn a_sheet_is_shown_in_the_terminal() {
    let workspace = Workspace::trained();
    let answer = workspace.run("generate run -n 3 --show=blocks").succeeds();
    // Two rows of pixels in a line; 3 faces and their frames are 104 wide, and a screen that does not tell has 80
    // columns.
    assert_eq!(answer.stderr.lines().filter(|line| line.contains('▀')).count(), 14, "{answer:?}");
    assert_eq!(workspace.names("."), ["run"]);
    workspace.run("generate run -n 3 --show=kitty --out both.jpg").succeeds();
    assert!(workspace.path("both.jpg").exists());
}

#[test]
fn formats_and_sizes_can_be_chosen() {
    let workspace = Workspace::trained();
    for (format, magic) in [("png", &b"\x89PNG"[..]), ("jpg", b"\xff\xd8\xff"), ("webp", b"RIFF")] {
        workspace.run(&format!("generate run --seeds 3 --format {format} --out {format}")).succeeds();
        assert!(workspace.read(&format!("{format}/seed-0003.{format}")).starts_with(magic));
        workspace.run(&format!("generate run -n 2 --out sheet.{format}")).succeeds();
        assert!(workspace.read(&format!("sheet.{format}")).starts_with(magic));
    }
    workspace.run("generate run --seeds 3 --scale 4 --out large").succeeds();
    let (small, large) = (workspace.png("png/seed-0003.png"), workspace.png("large/seed-0003.png"));
    assert_eq!((large.width, large.height), (128, 128));
    let mean = |png: &Png| png.pixels.iter().map(|&p| f64::from(p)).sum::<f64>() / png.pixels.len() as f64;
    assert!((mean(&small) - mean(&large)).abs() < 1.0, "{} and {}", mean(&small), mean(&large));
    workspace.run("generate run -n 2 --scale 4 --force --out sheet.png").succeeds();
    assert_eq!(workspace.png("sheet.png").width, 2 * 130 + 2);
}

#[test]
fn impossible_requests_are_explained() {
    let workspace = Workspace::trained();
    workspace.write("notes.pt", "not a model");
    workspace.write("z.npy", "no noise");
    workspace.run("demo-data faces --count 1").succeeds();
    let other = TINY.replace("--latent-dim 4", "--latent-dim 5");
    workspace.run(&format!("train --demo {other} --out other")).succeeds();
    workspace.run("generate other --out faces.png --save-latents five.npy").succeeds();
    let refusals = [
        ("missing.pt", 1, "missing.pt: there is no such file"),
        ("notes.pt", 1, "it is a text file"),
        ("faces/00000.png", 1, "it is a PNG picture"),
        ("faces", 1, "holds no generator.safetensors"),
        ("run -n 0", 2, "choose 1 or more"),
        ("run -n 99999999999", 2, "name a folder with --out"),
        ("run -n 18446744073709551615", 2, "too many"),
        ("run -n 400000 --scale 32 --out x.png", 2, "that fit on a sheet"),
        ("run --out notes.pt/sheet.png", 1, "notes.pt"),
        ("run --out sheet.bmp", 2, "name a .png, .jpg or .webp file"),
        ("run --out sheet.png --format jpg", 2, "--format jpg"),
        ("run --seeds 1 --out notes.pt/faces", 1, "notes.pt"),
        ("run --latents z.npy", 1, "z.npy: it holds no noise vectors"),
        ("run --latents five.npy", 1, "vectors of 5 values, and this generator takes 4"),
        ("run --latents missing.npy", 1, "missing.npy: there is no such file"),
        ("run --show", 2, "--show=blocks"),
        ("run --show=blocks --out folder", 2, "--show shows a sheet"),
        ("run --save-latents z.txt", 2, "name a .npy or .safetensors file"),
        ("run/generator.pt --best-of 2", 1, "--discriminator"),
        ("run --best-of 2 --discriminator run/generator.pt", 1, "no discriminator"),
    ];
    for (line, status, words) in refusals {
        workspace.run(&format!("generate {line}")).fails(status, &[words]);
    }
    for (flags, words) in [
        ("--seeds 5-1", "write 1-5"),
        ("--seeds x", "such as 0-999,2000"),
        ("--seeds 18446744073709551616", "a seed goes from -9223372036854775808"),
        ("--scale 0", "1 to 32"),
        ("--trunc -1", "from 0 to 10"),
        ("--best-of 0", "1 to 1024"),
        ("--columns 0", "1 to 1024"),
        ("--latents z.npy --seeds 3", "cannot be used with"),
        ("--latents z.npy --best-of 3", "cannot be used with"),
    ] {
        let answer = workspace.run(&format!("generate run {flags} --out new"));
        assert_eq!(answer.status, Some(2), "{answer:?}");
        assert!(answer.stderr.starts_with("error: ") && answer.stderr.contains(words), "{answer:?}");
    }
    assert!(!workspace.path("new").exists());
}
