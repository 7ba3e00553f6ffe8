//! `dcgan devices`, and `--device` of all commands that run networks.

use crate::workspace::{TINY, Workspace};
use serde_json::Value;

const BENCH: &str = "--image-size 32 --base-channels 2 --latent-dim 4 --batch-size 8 --steps 1";

#[test]
fn the_processor_is_always_there() {
    let workspace = Workspace::new();
    let text = workspace.run("devices").succeeds().stdout;
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[0].starts_with("--device") && rows[1].starts_with("cpu ") && rows[1].contains(" cores"), "{text}");
    assert!(text.contains("\n--device auto is "), "{text}");

    let mut command = workspace.command("devices --json");
    let output = command.env("DCGAN_ISA", "portable").output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let cpu = &report["devices"][0];
    assert_eq!((&cpu["device"], &cpu["instruction_set"]), (&"cpu".into(), &"portable".into()), "{report}");
    assert!(cpu["cores"].as_u64().unwrap() >= 1 && !cpu["name"].as_str().unwrap().is_empty(), "{report}");
    let names: Vec<&str> =
        report["devices"].as_array().unwrap().iter().map(|device| device["device"].as_str().unwrap()).collect();
    assert!(names.contains(&report["auto"].as_str().unwrap()), "{report}");
}

#[cfg(not(any(feature = "gpu", feature = "cuda")))]
#[test]
fn a_gpu_that_is_not_built_in_is_one_clear_sentence_everywhere() {
    let workspace = Workspace::new();
    let text = workspace.run("devices").succeeds().stdout;
    for feature in ["gpu", "cuda"] {
        assert!(text.contains(&format!("cargo install --path crates/cli --features {feature}\n")), "{text}");
    }
    // The device is the first thing that is looked for, so that nobody waits for nothing.
    let commands = [
        format!("train --demo {TINY}"),
        "train nowhere".to_owned(),
        "generate nowhere".to_owned(),
        "interpolate nowhere".to_owned(),
        "project nowhere.png nowhere".to_owned(),
        "neighbours nowhere nowhere".to_owned(),
        format!("bench train {BENCH}"),
        format!("bench generate {BENCH}"),
    ];
    for command in commands {
        for (device, feature) in [("gpu", "gpu"), ("gpu:1", "gpu"), ("cuda", "cuda"), ("cuda:0", "cuda")] {
            let words = [
                format!("--device {device}: this program was built without "),
                format!("cargo install --path crates/cli --features {feature}"),
            ];
            workspace.run(&format!("{command} --device {device}")).fails(2, &[&words[0], &words[1]]);
        }
    }
    assert!(workspace.names("").is_empty(), "files were written");
}

#[test]
fn a_device_that_cannot_be_is_explained() {
    let workspace = Workspace::new();
    for command in ["train --demo", "generate run", "bench train"] {
        for device in ["tpu", "gpu:x", "cpu:1", "cuda:"] {
            let answer = workspace.run(&format!("{command} --device {device}"));
            assert_eq!(answer.status, Some(2), "{answer:?}");
            assert!(answer.stderr.contains("choose auto, cpu, gpu, cuda, or one of dcgan devices"), "{answer:?}");
        }
    }
    workspace.write("run.toml", "demo = true\ndevice = \"tpu\"\n");
    workspace.run("train --config run.toml").fails(2, &["\"run.toml\", line 2", "device \"tpu\": choose auto, cpu"]);
}

#[test]
fn the_processor_can_be_asked_for() {
    let workspace = Workspace::new();
    workspace.run(&format!("train --demo {TINY} --device cpu --out run")).succeeds();
    let config = String::from_utf8(workspace.read("run/config.toml")).unwrap();
    assert!(config.contains("\ndevice = \"cpu\"\n"), "{config}");
    let sessions: Value = serde_json::from_slice(&workspace.read("run/run.json")).unwrap();
    assert_eq!(sessions[0]["device"], "CPU");

    workspace.run("generate run --device cpu --seeds 0-3 --out a.png").succeeds();
    workspace.run("generate run --device cpu --seeds 0-3 --threads 1 --out b.png").succeeds();
    assert_eq!(workspace.png("a.png"), workspace.png("b.png"));
    let report = workspace.run(&format!("bench train {BENCH} --device cpu --json")).succeeds().stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["device"], "CPU");
}

#[test]
fn another_device_than_before_is_said_when_a_run_goes_on() {
    let workspace = Workspace::new();
    workspace.run(&format!("train --demo {TINY} --device cpu --out run")).succeeds();
    let mut sessions: Value = serde_json::from_slice(&workspace.read("run/run.json")).unwrap();
    let session = sessions[0].as_object_mut().unwrap();
    session.insert("device".to_owned(), "GPU, a card, Vulkan".into());
    session.retain(|key, _| key != "instruction_set" && key != "threads");
    workspace.write("run/run.json", sessions.to_string());
    let config = String::from_utf8(workspace.read("run/config.toml")).unwrap();
    workspace.write("run/config.toml", config.replace("device = \"cpu\"", "device = \"gpu:0\""));

    #[cfg(not(feature = "gpu"))]
    workspace.run("train --resume run --epochs 3").fails(2, &["--device gpu:0: this program was built without"]);
    let answer = workspace.run("train --resume run --epochs 3 --device cpu").succeeds();
    let words = "changed   computed on: GPU, a card, Vulkan → CPU, which may round differently";
    assert!(answer.stderr.contains(words), "{answer:?}");
    assert!(!answer.stderr.contains("instruction set"), "{answer:?}");
    let answer = workspace.run("train --resume run --epochs 4").succeeds();
    assert!(!answer.stderr.contains("computed on"), "{answer:?}");
}

/// On a machine without any, this checks nothing.
#[cfg(any(feature = "gpu", feature = "cuda"))]
#[test]
fn every_device_does_what_the_processor_does() {
    let workspace = Workspace::trained();
    let report: Value = serde_json::from_str(&workspace.run("devices --json").succeeds().stdout).unwrap();
    workspace.run("generate run --device cpu --out cpu.png").succeeds();
    let checkpoint = "run/checkpoints/step-00000006-epoch-0002.safetensors";
    for device in &report["devices"].as_array().unwrap()[1..] {
        let device = device["device"].as_str().unwrap();
        workspace.run(&format!("generate run --device {device} --force --out gpu.png")).succeeds();
        let [cpu, gpu] = ["cpu.png", "gpu.png"].map(|file| workspace.png(file).pixels);
        let furthest = cpu.iter().zip(&gpu).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(cpu.len() == gpu.len() && furthest <= Some(1), "{device}: {furthest:?} levels apart");

        let run = device.replace(':', "-");
        let answer = workspace.run(&format!("train --demo {TINY} --device {device} --out {run}")).succeeds();
        assert!(answer.stderr.contains("device    ") && answer.stdout.lines().count() == 2, "{answer:?}");
        let sessions: Value = serde_json::from_slice(&workspace.read(&format!("{run}/run.json"))).unwrap();
        assert!(sessions[0]["device"].as_str().unwrap().starts_with("GPU, "), "{sessions}");
        assert!(sessions[0].get("instruction_set").is_none(), "{sessions}");
        let answer = workspace.run(&format!("train --resume {run} --epochs 3 --device cpu")).succeeds();
        assert!(answer.stderr.contains("→ CPU, which may round differently"), "{answer:?}");

        workspace
            .run(&format!("generate {checkpoint} -n 2 --best-of 2 --device {device} --force --out best.png"))
            .succeeds();
        workspace
            .run(&format!("interpolate run --seeds 0-1 --steps 2 --device {device} --force --out walk.gif"))
            .succeeds();
        workspace
            .run(&format!("project gpu.png run --steps 2 --starts 2 --device {device} --force --out found.png"))
            .succeeds();
        for task in ["train", "generate"] {
            let report = workspace.run(&format!("bench {task} {BENCH} --device {device} --json")).succeeds();
            let report: Value = serde_json::from_str(&report.stdout).unwrap();
            assert!(report["images_per_second"].as_f64().unwrap() > 0.0, "{report}");
            for figure in ["isa", "threads", "fma_peak_gflops", "fraction_of_direct_peak_time"] {
                assert!(report.get(figure).is_none(), "{report}");
            }
        }
        // A driver may have something to say as well.
        let answer = workspace.run(&format!("bench train {BENCH} --table --device {device}"));
        assert!(answer.status == Some(2) && answer.stderr.contains("add --device cpu"), "{answer:?}");
    }
}
