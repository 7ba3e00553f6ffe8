//! Samples within epochs and the generators of epochs.

use crate::workspace::{TINY, Workspace};
use serde_json::Value;
use std::fs;

/// The files of a run's folder `name`, with their bytes.
fn files(workspace: &Workspace, folder: &str) -> Vec<(String, Vec<u8>)> {
    let names = workspace.names(folder).into_iter();
    names.map(|name| (name.clone(), workspace.read(&format!("{folder}/{name}")))).collect()
}

#[test]
fn samples_and_generators_change_nothing_and_come_again_when_a_run_goes_on() {
    let workspace = Workspace::new();
    let options = "--sample-every 2 --keep-generators";
    for ema in ["", " --ema=0.9"] {
        let run = |name: &str| format!("{name}{}", ema.replace(' ', ""));
        let [plain, whole, cut] = ["plain", "whole", "cut"].map(run);
        let train = |out: &str, options: &str| {
            workspace.run(&format!("train --demo {TINY}{ema} --out {out} {options}")).succeeds();
        };
        train(&plain, "");
        train(&whole, options);
        // Within epoch 2, between two samples.
        train(&cut, &format!("{options} --max-steps 5"));
        // Left by a process that was killed later, and by another one while it wrote.
        workspace.write(&format!("{cut}/samples/epoch-0002-step-00000006.png"), "later");
        workspace.write(&format!("{cut}/generators/.epoch-0002.safetensors.tmp1"), "half");
        workspace.run(&format!("train --resume {cut} --max-steps 6")).succeeds();

        let names = [
            "epoch-0000.png",
            "epoch-0001-step-00000002.png",
            "epoch-0001.png",
            "epoch-0002-step-00000004.png",
            "epoch-0002.png",
        ];
        assert_eq!(workspace.names(&format!("{whole}/samples")), names);
        assert_eq!(
            workspace.names(&format!("{whole}/generators")),
            ["epoch-0001.safetensors", "epoch-0002.safetensors"]
        );
        for folder in ["samples", "generators"] {
            let [whole, cut] = [&whole, &cut].map(|run| files(&workspace, &format!("{run}/{folder}")));
            assert!(whole == cut, "{folder} of {ema:?}");
        }
        let result = |run: &str| workspace.read(&format!("{run}/generator.safetensors"));
        assert!(result(&plain) == result(&whole) && result(&whole) == result(&cut), "{ema:?}");
        let sheets = |run: &str| {
            let sheets = files(&workspace, &format!("{run}/samples")).into_iter();
            sheets.filter(|(name, _)| !name.contains("step")).collect::<Vec<_>>()
        };
        assert!(sheets(&plain) == sheets(&whole), "{ema:?}");
        assert!(!workspace.path(&format!("{plain}/generators")).exists());
    }
    let config = String::from_utf8(workspace.read("plain/config.toml")).unwrap();
    assert!(!config.contains("sample-every") && !config.contains("keep-generators"), "{config}");
}

#[test]
fn every_command_draws_with_the_generator_of_an_epoch() {
    let workspace = Workspace::new();
    workspace.run(&format!("train --demo {TINY} --ema=0.5 --lr 0.01 --out run --keep-generators")).succeeds();
    let draw = |options: &str, out: &str| {
        workspace.run(&format!("generate run -n 4 {options} --out {out}")).succeeds();
        workspace.png(out)
    };
    let (first, last, result) = (draw("--epoch 1", "1.png"), draw("--epoch 2", "2.png"), draw("", "0.png"));
    let difference = |other: &[u8]| result.pixels.iter().zip(other).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    // A float16 has 11 bits; a weight differs by 2⁻¹² of itself, and five layers add up to some levels of 256 at most.
    assert!(difference(&last.pixels) <= 2, "{}", difference(&last.pixels));
    assert!(difference(&first.pixels) > 20, "{}", difference(&first.pixels));
    for line in [
        "interpolate run --epoch 1 --steps 1 --out walk.gif",
        "neighbours run --epoch 1 --demo --max-images 8 -n 1 -k 1",
        "evaluate run --epoch 1 --demo --max-images 40 --samples 20",
        "convert run --epoch 1 epoch.onnx",
        "convert run epoch.pth --epoch 1",
    ] {
        workspace.run(line).succeeds();
    }
    let projected = workspace.run("project 1.png run --epoch 1 --steps 1 --starts 1").succeeds();
    assert!(projected.stderr.contains("generate run --epoch 1 --latents projection.npy"), "{projected:?}");
    workspace.run("generate epoch.pth -n 4 --out 1b.png").succeeds();
    assert!(workspace.png("1b.png") == first);

    let info = workspace.run("info run --json").succeeds();
    let info: Value = serde_json::from_str(&info.stdout).unwrap();
    assert_eq!(info["epochs"], serde_json::json!([1, 2]));
    let table = workspace.run("info run --epoch 2").succeeds().stdout;
    assert!(table.contains("for --epoch: 1, 2") && table.contains("generators/epoch-0002.safetensors"), "{table}");
}

#[test]
fn an_epoch_that_was_not_kept_is_named_with_those_that_were() {
    let workspace = Workspace::trained();
    // The checkpoints at the end of both epochs.
    workspace.run("generate run --epoch 1 --out 1.png").succeeds();
    fs::remove_file(workspace.path("run/checkpoints/step-00000003-epoch-0001.safetensors")).unwrap();
    workspace.run("generate run --epoch 1").fails(2, &["\"run\" has no generator of epoch 1", "that of epoch 2"]);
    fs::remove_dir_all(workspace.path("run/checkpoints")).unwrap();
    workspace.run("interpolate run --epoch 2").fails(2, &["no generator of epoch 2", "--keep-generators"]);
    workspace
        .run("generate run/generator.pt --epoch 2")
        .fails(2, &["--epoch needs the folder of a run", "generator.pt"]);
    workspace.run("evaluate faces --epoch 2 --demo").fails(1, &["faces: there is no such file or folder"]);
    workspace.run("demo-data faces --count 40 --size 32").succeeds();
    workspace.run("evaluate faces --epoch 2 --demo").fails(2, &["--epoch", "\"faces\" has pictures"]);
    workspace.run("convert run --best best.pt").fails(2, &["--best", "--evaluate-every"]);
}

#[test]
fn samples_within_epochs_are_told_and_shown() {
    let workspace = Workspace::new();
    let line = format!("train --demo {TINY} --out run --sample-every 2 --keep-generators");
    let answer = workspace.run(&format!("{line} --json")).succeeds();
    let lines: Vec<Value> = answer.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let samples: Vec<&Value> = lines.iter().filter(|line| line["event"] == "sample").collect();
    let places: Vec<_> = samples.iter().map(|line| (line["epoch"].as_u64(), line["step"].as_u64())).collect();
    assert_eq!(places, [(Some(1), Some(2)), (Some(2), Some(4))]);
    assert!(samples.iter().all(|line| workspace.path(line["file"].as_str().unwrap()).exists()), "{samples:?}");

    let answer = workspace.run("timelapse run --hold 0 --no-label --out all").succeeds();
    assert!(answer.stderr.contains("5 samples of epochs 0 to 2"), "{answer:?}");
    let frames: Vec<_> = files(&workspace, "all").into_iter().map(|(_, bytes)| bytes).collect();
    let sheets: Vec<_> = files(&workspace, "run/samples").into_iter().map(|(_, bytes)| bytes).collect();
    assert!(frames == sheets, "in the order in which they were drawn");
    workspace.run("timelapse run --hold 0 --epochs-only --out epochs").succeeds();
    assert_eq!(workspace.names("epochs").len(), 3);

    let answer = workspace.run(&format!("{line} --preview blocks").replace("--out run", "--out run2"));
    let shown = answer.succeeds().stderr.matches('▀').count();
    let answer = workspace.run(&format!("train --demo {TINY} --out run3 --preview blocks"));
    let fewer = answer.succeeds().stderr.matches('▀').count();
    assert!(shown > fewer, "{shown} and {fewer} blocks");
}
