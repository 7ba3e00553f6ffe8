use crate::workspace::Workspace;

#[test]
fn a_drawn_face_is_found_again() {
    let workspace = Workspace::trained();
    workspace.run("generate run --seeds 12345 --out faces").succeeds();
    let answer = workspace
        .run("project faces/seed-12345.png run --out new/found.png --steps 150 --starts 4 --prior 0 --scale 2")
        .succeeds();
    let sheet = workspace.png("new/found.png");
    assert_eq!((sheet.width, sheet.height), (3 * 66 + 2, 68));
    let [target, before, after] = [0, 1, 2].map(|column| sheet.cut(2 + column * 66, 2, 64).pixels);
    let error = |other: &[u8]| target.iter().zip(other).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>();
    assert!(error(&after) < 0.1 * error(&before), "{} and {}: {answer:?}", error(&after), error(&before));
    // The noise that is left draws the face on the sheet.
    workspace.run("generate run --latents new/found.npy --scale 2 --out again").succeeds();
    assert!(workspace.png("again/face-0000.png").pixels == after);
}

#[test]
fn the_same_seed_finds_the_same_noise() {
    let workspace = Workspace::trained();
    workspace.run("demo-data faces --count 1 --size 50").succeeds();
    for (name, flags) in [("a", "--threads 1"), ("b", "--threads 2"), ("c", "--seed 1")] {
        workspace
            .run(&format!("project faces/00000.png run --steps 10 --save-latents {name}.safetensors {flags}"))
            .succeeds();
    }
    let noise = |name: &str| workspace.read(&format!("{name}.safetensors"));
    assert!(noise("a") == noise("b") && noise("a") != noise("c"));
    assert!(workspace.path("projection.png").exists());
}

#[test]
fn impossible_projections_are_explained() {
    let workspace = Workspace::trained();
    workspace.write("notes.txt", "not a picture");
    workspace.run("demo-data faces --count 1").succeeds();
    let refusals = [
        ("missing.png run", 1, "cannot read \"missing.png\""),
        ("notes.txt run", 1, "cannot use \"notes.txt\""),
        ("faces/00000.png missing.pt", 1, "missing.pt: there is no such file"),
        ("faces/00000.png run --lr 0", 2, "--lr 0"),
        ("faces/00000.png run --lr nan", 2, "--lr NaN"),
        ("faces/00000.png run --prior -1", 2, "--prior"),
        ("faces/00000.png run --out found.gif", 2, "name a .png, .jpg or .webp file"),
        ("faces/00000.png run --save-latents z.txt", 2, "name a .npy or .safetensors file"),
    ];
    for (line, status, words) in refusals {
        workspace.run(&format!("project {line}")).fails(status, &[words]);
    }
}
