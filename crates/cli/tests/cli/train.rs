use crate::workspace::{TINY, Workspace};
use std::fs;

#[test]
fn a_run_leaves_everything_in_its_folder() {
    let workspace = Workspace::new();
    let answer = workspace.run(&format!("train --demo {TINY}")).succeeds();

    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{answer:?}");
    for (epoch, line) in (1..).zip(lines) {
        let numbers = line.strip_prefix(&format!("epoch {epoch}, dloss: ")).unwrap();
        let (d_loss, g_loss) = numbers.split_once(", gloss ").unwrap();
        // Untrained networks start near 2 ln 2 and ln 2.
        assert!((0.5..3.0).contains(&d_loss.parse::<f64>().unwrap()), "{line}");
        assert!((0.2..3.0).contains(&g_loss.parse::<f64>().unwrap()), "{line}");
    }
    for words in [
        "24 built-in faces, 32 × 32 colour",
        "2 epochs of 3 batches of 8: 6 steps",
        "6 steps may show only noise; faces usually need 1,000 or more",
        "dcgan generate runs/0000-demo",
    ] {
        assert!(answer.stderr.contains(words), "no {words:?} in {answer:?}");
    }

    let (boards, files): (Vec<_>, Vec<_>) =
        workspace.names("runs/0000-demo").into_iter().partition(|name| name.starts_with("events.out.tfevents."));
    assert_eq!(boards.len(), 1, "{boards:?}");
    let expected = [
        ".lock",
        "checkpoints",
        "config.toml",
        "data.json",
        "data.png",
        "generator.pt",
        "generator.safetensors",
        "health.jsonl",
        "losses.png",
        "metrics.jsonl",
        "run.json",
        "samples",
    ];
    assert_eq!(files, expected);
    let plot = workspace.png("runs/0000-demo/losses.png");
    assert_eq!((plot.width, plot.height), (1000, 800));
    assert_eq!(workspace.names("runs/0000-demo/samples"), ["epoch-0000.png", "epoch-0001.png", "epoch-0002.png"]);
    let sheets = [0, 1, 2].map(|epoch| workspace.png(&format!("runs/0000-demo/samples/epoch-000{epoch}.png")));
    for sheet in &sheets {
        assert_eq!((sheet.width, sheet.height, sheet.channels), (8 * 34 + 2, 4 * 34 + 2, 3));
    }
    assert_ne!(sheets[0], sheets[1]);
    assert_ne!(sheets[1], sheets[2]);

    let metrics = String::from_utf8(workspace.read("runs/0000-demo/metrics.jsonl")).unwrap();
    let steps: Vec<serde_json::Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers = |key: &str| steps.iter().map(|step| step[key].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!(numbers("step"), [1, 2, 3, 4, 5, 6]);
    assert_eq!(numbers("epoch"), [1, 1, 1, 2, 2, 2]);
    let keys = [
        "d_g_z1",
        "d_g_z2",
        "d_loss_fake",
        "d_loss_real",
        "d_x",
        "data_seconds",
        "epoch",
        "g_loss",
        "images_per_second",
        "step",
    ];
    for step in &steps {
        let mut found: Vec<&String> = step.as_object().unwrap().keys().collect();
        found.sort();
        assert_eq!(found, keys);
    }

    // A second run gets a folder of its own.
    workspace.run(&format!("train --demo {TINY} --max-steps 1")).succeeds();
    assert_eq!(workspace.names("runs"), ["0000-demo", "0001-demo"]);
    assert_eq!(workspace.read("runs/0001-demo/metrics.jsonl").iter().filter(|&&byte| byte == b'\n').count(), 1);
    assert!(workspace.path("runs/0001-demo/generator.pt").exists());
}

/// The files in which two runs with the same settings must agree to the byte.
const RESULTS: [&str; 4] =
    ["generator.safetensors", "generator.pt", "samples/epoch-0000.png", "samples/epoch-0002.png"];

fn assert_same_results(workspace: &Workspace, a: &str, b: &str) {
    for file in RESULTS {
        assert!(
            workspace.read(&format!("{a}/{file}")) == workspace.read(&format!("{b}/{file}")),
            "{a} and {b}: {file}"
        );
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let workspace = Workspace::trained();
    for threads in ["1", "3"] {
        let line =
            format!("train --demo {} --out run{threads}", TINY.replace("--threads 2", &format!("--threads {threads}")));
        workspace.run(&line).succeeds();
        assert_same_results(&workspace, "run", &format!("run{threads}"));
    }
    // A comparison of files that cannot differ would prove nothing.
    workspace.run(&format!("train --demo {TINY} --seed 1 --out other")).succeeds();
    for file in RESULTS {
        assert!(workspace.read(&format!("run/{file}")) != workspace.read(&format!("other/{file}")), "{file}");
    }
}

#[test]
fn a_runs_config_repeats_it() {
    let workspace = Workspace::new();
    let settings = "--lr 0.001 --beta1 0.3 --beta2 0.99 --init normal --seed 5 --channels 1";
    workspace.run(&format!("train --demo {TINY} {settings} --out first")).succeeds();
    workspace.run("train --config first/config.toml --out second").succeeds();
    assert_same_results(&workspace, "first", "second");
    assert_eq!(workspace.png("first/samples/epoch-0002.png").channels, 1);
    assert_eq!(workspace.read("first/config.toml"), workspace.read("second/config.toml"));
    // Flags override the file.
    workspace.run("train --config first/config.toml --max-steps 1 --out third").succeeds();
    assert_eq!(workspace.names("third/samples"), ["epoch-0000.png", "epoch-0001.png"]);
}

#[test]
fn the_built_in_faces_are_those_of_demo_data() {
    let workspace = Workspace::trained();
    workspace.run("demo-data faces --count 24 --size 32").succeeds();
    workspace.run(&format!("train faces {TINY} --out from-folder")).succeeds();
    assert_same_results(&workspace, "run", "from-folder");
    workspace.run(&format!("train --demo {TINY} --channels 1 --out grey")).succeeds();
    workspace.run(&format!("train faces {TINY} --channels 1 --out grey-from-folder")).succeeds();
    assert_same_results(&workspace, "grey", "grey-from-folder");
}

#[test]
fn bad_files_are_left_out_and_reported() {
    let workspace = Workspace::new();
    workspace.run("demo-data faces --count 24 --size 32").succeeds();
    workspace.run(&format!("train faces {TINY} --out clean")).succeeds();
    workspace.write("faces/00000a.jpg", "I am a text");
    workspace.write("faces/00001a.png", "");
    let answer = workspace.run(&format!("train faces {TINY} --out dirty")).succeeds();
    assert!(answer.stderr.contains("left out  2 that cannot be used:"), "{answer:?}");
    assert!(answer.stderr.contains("00000a.jpg") && answer.stderr.contains("00001a.png"), "{answer:?}");
    assert_same_results(&workspace, "clean", "dirty");
}

#[test]
fn a_run_is_never_overwritten() {
    let workspace = Workspace::trained();
    let before = workspace.read("run/generator.pt");
    workspace.run(&format!("train --demo {TINY} --seed 1 --out run")).fails(1, &["\"run\" is not empty", "--out"]);
    assert_eq!(workspace.read("run/generator.pt"), before);
    workspace.write("file", "");
    workspace.run(&format!("train --demo {TINY} --out file")).fails(1, &["\"file\" is not a folder", "--out"]);
    fs::create_dir(workspace.path("empty")).unwrap();
    workspace.run(&format!("train --demo {TINY} --max-steps 1 --out empty")).succeeds();
}

#[test]
fn a_run_that_diverges_says_where() {
    let workspace = Workspace::new();
    let answer = workspace.run(&format!("train --demo {TINY} --lr 1e38 --out run"));
    answer.fails(1, &["\"run\"", "step 1: ", "NaN", "smaller learning rate"]);
}
