use crate::workspace::Workspace;

#[test]
fn a_walk_passes_the_faces_of_its_seeds() {
    let workspace = Workspace::trained();
    workspace.run("generate run --seeds 0-9 --out faces").succeeds();
    workspace.run("interpolate run --seeds 7,2 --steps 5 --out frames").succeeds();
    assert_eq!(workspace.names("frames").len(), 10);
    for (frame, seed) in [(0, 7), (5, 2)] {
        let [frame, face] = [format!("frames/frame-{frame:05}.png"), format!("faces/seed-{seed:04}.png")]
            .map(|name| workspace.png(&name));
        assert_eq!(frame, face);
    }
    // Not more than one frame after the other repeats.
    let frames: Vec<Vec<u8>> =
        workspace.names("frames").iter().map(|name| workspace.read(&format!("frames/{name}"))).collect();
    assert!(frames.windows(2).all(|pair| pair[0] != pair[1]));
    // The frame before the start is as near to it as the one after.
    workspace.run("interpolate run --seeds 7,2 --steps 5 --no-loop --out open").succeeds();
    assert_eq!(workspace.names("open").len(), 6);
    assert!(workspace.read("open/frame-00005.png") == workspace.read("faces/seed-0002.png"));
}

#[test]
fn frames_do_not_depend_on_how_many_are_drawn_at_a_time() {
    let workspace = Workspace::trained();
    // 300 faces are more than are drawn at a time; 3 cells do not divide that number.
    workspace.run("interpolate run --seeds 0-5 --grid 3x1 --steps 50 --threads 2 --out grid").succeeds();
    workspace.run("interpolate run --seeds 2-3 --steps 50 --threads 1 --out one").succeeds();
    assert_eq!(workspace.names("grid").len(), 100);
    for frame in [0, 41, 42, 43, 99] {
        let name = format!("frame-{frame:05}.png");
        assert_eq!(
            workspace.png(&format!("grid/{name}")).cut(36, 2, 32),
            workspace.png(&format!("one/{name}")),
            "{frame}"
        );
    }
}

#[test]
fn every_kind_of_animation_is_written() {
    let workspace = Workspace::trained();
    for (name, magic) in
        [("new/walk.gif", &b"GIF89a"[..]), ("walk.png", b"\x89PNG"), ("walk.apng", b"\x89PNG"), ("walk.webp", b"RIFF")]
    {
        let answer =
            workspace.run(&format!("interpolate run --seeds 1-3 --steps 2 --scale 2 --fps 10 --out {name}")).succeeds();
        assert!(answer.stderr.contains("6 frames of 64 × 64 pixels") && answer.stderr.contains("0.6 s"), "{answer:?}");
        assert!(workspace.read(name).starts_with(magic), "{name}");
    }
    assert_eq!(workspace.names("new"), ["walk.gif"]);
    workspace.run("interpolate run --seeds 1,2 --steps 2").succeeds();
    assert!(workspace.path("interpolation.gif").exists());
}

#[test]
fn a_walk_can_pass_saved_noise() {
    let workspace = Workspace::trained();
    workspace.run("generate run --seeds 4,8,1 --out faces --save-latents z.npy").succeeds();
    workspace.run("interpolate run --latents z.npy --steps 4 --out a").succeeds();
    workspace.run("interpolate run --seeds 1,4,8 --steps 4 --out b").succeeds();
    assert!(workspace.read("a/frame-00007.png") == workspace.read("b/frame-00007.png"));
}

/// A program of the name of ffmpeg that does `script`.
#[cfg(unix)]
fn with_ffmpeg(workspace: &Workspace, script: &str, line: &str) -> std::process::Output {
    use std::os::unix::fs::PermissionsExt;
    workspace.write("bin/ffmpeg", format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(workspace.path("bin/ffmpeg"), PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", workspace.path("bin").display());
    workspace.command(line).env("PATH", path).output().unwrap()
}

#[cfg(unix)]
#[test]
fn a_video_is_raw_frames_for_ffmpeg() {
    let workspace = Workspace::trained();
    // The last argument is the file to write.
    let script = r#"echo "$@" > arguments; for last; do :; done; cat > "$last""#;
    let output =
        with_ffmpeg(&workspace, script, "interpolate run --seeds 1,2 --steps 3 --fps 30 --scale 1 --out walk.mp4");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let arguments = String::from_utf8(workspace.read("arguments")).unwrap();
    assert!(arguments.contains("-pixel_format rgb24 -video_size 32x32 -framerate 30 -i pipe:0"), "{arguments}");
    let raw = workspace.read("walk.mp4");
    assert_eq!(raw.len(), 6 * 32 * 32 * 3);
    workspace.run("generate run --seeds 2 --out faces").succeeds();
    assert!(raw[3 * 32 * 32 * 3..][..32 * 32 * 3] == workspace.png("faces/seed-0002.png").pixels);
}

#[cfg(unix)]
#[test]
fn a_failing_ffmpeg_is_an_error_that_says_why() {
    let workspace = Workspace::trained();
    for script in ["echo no such encoder >&2; exit 3", "cat > /dev/null; echo no such encoder >&2; exit 3"] {
        let output = with_ffmpeg(&workspace, script, "interpolate run --seeds 0-7 --steps 90 --out walk.mp4");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(
            stderr.contains("cannot write \"walk.mp4\": ffmpeg failed") && stderr.contains("no such encoder"),
            "{stderr}"
        );
    }
    let output = workspace.command("interpolate run --out walk.mp4").env("PATH", "").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("ffmpeg makes .mp4 files and is not installed"), "{stderr}");
    let names = workspace.names(".");
    assert!(names.iter().all(|name| !name.contains("walk.mp4")), "{names:?}");
}

#[test]
fn impossible_walks_are_explained() {
    let workspace = Workspace::trained();
    let refusals = [
        ("--seeds 1", 2, "name 2 or more"),
        ("--seeds 0-6 --grid 2x2", 2, "7 faces for 4 walks"),
        ("--seeds 0-4294967295 --steps 1000", 2, "too many"),
        ("--seeds 0-8191 --grid 64x64 --scale 32", 2, "too large"),
        ("--fps 60", 2, "1 to 50"),
        ("--out walk.avi", 2, ".gif, .png (APNG), .webp or .mp4"),
        ("--latents missing.npy", 1, "missing.npy: there is no such file"),
    ];
    for (flags, status, words) in refusals {
        workspace.run(&format!("interpolate run {flags}")).fails(status, &[words]);
    }
    assert_eq!(workspace.names("."), ["run"]);
}
