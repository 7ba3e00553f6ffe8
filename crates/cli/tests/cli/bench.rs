use crate::workspace::Workspace;
use serde_json::Value;

const TINY: &str = "--image-size 32 --base-channels 2 --latent-dim 4 --batch-size 8 --steps 3 --threads 2";

fn json(line: &str) -> Value {
    let workspace = Workspace::new();
    let answer = workspace.run(line).succeeds();
    assert!(workspace.names("").is_empty(), "files were written");
    assert_eq!(answer.stderr, "");
    serde_json::from_str(&answer.stdout).unwrap()
}

fn check_times(times: &Value) -> f64 {
    let [min, median, max] = ["min", "median", "max"].map(|key| times[key].as_f64().unwrap());
    assert!(0.0 < min && min <= median && median <= max, "{times}");
    median
}

/// What `report`'s numbers must be to one another.
fn check(report: &Value) {
    assert_eq!((&report["threads"], &report["batch_size"]), (&2.into(), &8.into()));
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["model"]["image_size"], 32);
    let number = |key: &str| report[key].as_f64().unwrap_or_else(|| panic!("no {key} in {report}"));
    let median = check_times(&report["ms_per_step"]);
    let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-9, "{a} and {b} in {report}");
    close(number("images_per_second"), 8e3 / median);
    close(number("fraction_of_direct_peak_time"), number("fma_peak_gflops") / number("direct_gflops"));
    #[cfg(target_os = "linux")]
    assert!((1.0..1000.0).contains(&number("peak_rss_mib")), "{report}");
}

#[test]
fn training_is_timed() {
    let report = json(&format!("bench train {TINY} --json"));
    check(&report);
    assert!(report["memory_mib"].as_f64().unwrap() > 0.1);
    assert!(report.get("ms_per_face").is_none());
}

#[test]
fn training_is_timed_with_the_options_of_train() {
    let best = json("bench train --preset best --image-size 32 --latent-dim 4 --steps 1 --threads 2 --json");
    let model = &best["model"];
    assert_eq!(
        (&best["batch_size"], &model["base_channels_g"], &model["image_size"]),
        (&32.into(), &32.into(), &32.into())
    );

    let memory = |options: &str| json(&format!("bench train {TINY} {options} --json"))["memory_mib"].as_f64().unwrap();
    let plain = memory("");
    for options in ["--ema", "--base-channels-d 4", "--augment translation", "--d-norm spectral --r1 1"] {
        assert!(memory(options) > plain, "{options} changes nothing");
    }
    let speed = json(&format!("bench train {TINY} --d-steps 2 --json"));
    let (speed, median) = (speed["images_per_second"].as_f64().unwrap(), check_times(&speed["ms_per_step"]));
    assert!((speed * median / 16e3 - 1.0).abs() < 1e-9, "{speed} pictures a second, {median} ms for 16");
}

#[test]
fn options_of_training_that_do_not_fit_are_wrong_usage() {
    let workspace = Workspace::new();
    workspace.run(&format!("bench train {TINY} --r1 1")).fails(2, &["--d-norm"]);
    // There is no run, and no training.
    for line in ["bench train --epochs 3", "bench generate --preset best"] {
        assert_eq!(workspace.run(line).status, Some(2), "{line}");
    }
}

#[test]
fn a_table_counts_the_pictures_of_each_call() {
    // D sees its real and its generated pictures at once, G's step has generated ones only.
    let report = json(&format!("bench train {TINY} --d-norm none --table --json"));
    let layers = report["layers"].as_array().unwrap();
    let of = |row: &Value| (row["network"] == "discriminator" && row["index"] == 0, row["pass"] == "weight gradient");
    let weights = layers.iter().find(|row| of(row) == (true, true)).unwrap();
    let number = |key: &str| weights[key].as_f64().unwrap();
    assert_eq!(number("calls_per_step"), 1.0);
    // 2 channels of 16 × 16 outputs, 3 · 16 taps, 2 · 8 pictures.
    let operations = 2.0 * f64::from(2 * 16 * 16 * 3 * 16 * 2 * 8);
    let rate = operations / (number("ms_per_step") / 1e3) / (1e9 * report["fma_peak_gflops"].as_f64().unwrap());
    assert!((number("fraction_of_peak") / rate - 1.0).abs() < 1e-9, "{weights} for {rate}");
}

#[test]
fn drawing_is_timed_by_the_batch_and_by_the_face() {
    let report = json(&format!("bench generate {TINY} --json"));
    check(&report);
    check_times(&report["ms_per_face"]);
}

#[test]
fn people_get_sentences() {
    let workspace = Workspace::new();
    let train = workspace.run(&format!("bench train {TINY}")).succeeds().stdout;
    for words in ["2 threads: training, 8 pictures of 3 × 32 × 32", "of 3\n", "images/s", "FMA peak", "for the engine"]
    {
        assert!(train.contains(words), "no {words:?} in {train}");
    }
    let generate = workspace.run(&format!("bench generate {TINY}")).succeeds().stdout;
    assert!(generate.contains("\none face "), "{generate}");
}

#[test]
fn the_instruction_set_is_the_one_in_use() {
    let workspace = Workspace::new();
    let mut command = workspace.command(&format!("bench train {TINY} --json"));
    let output = command.env("DCGAN_ISA", "portable").output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["isa"], "portable");
}

#[test]
fn impossible_sizes_are_wrong_usage() {
    let workspace = Workspace::new();
    for task in ["train", "generate"] {
        workspace.run(&format!("bench {task} --image-size 48")).fails(2, &["32, 64, 128 or 256"]);
        workspace.run(&format!("bench {task} --batch-size 0")).fails(2, &["1 to 65536"]);
        assert_eq!(workspace.run(&format!("bench {task} --steps 0")).status, Some(2));
    }
    assert_eq!(workspace.run("bench").status, Some(2));
}

#[test]
fn a_table_shows_where_the_time_goes() {
    let report = json(&format!("bench train {TINY} --table --json"));
    let layers = report["layers"].as_array().unwrap();
    // Eight convolutions have three passes, but for the input gradient of the generator's first.
    assert_eq!(layers.len(), 8 * 3 - 1, "{layers:#?}");
    let sum: f64 = layers.iter().map(|layer| layer["ms_per_step"].as_f64().unwrap()).sum();
    let elsewhere = report["ms_elsewhere"].as_f64().unwrap();
    let max = report["ms_per_step"]["max"].as_f64().unwrap();
    assert!(sum > 0.0 && elsewhere > 0.0 && sum + elsewhere <= max * (1.0 + 1e-9), "{report}");

    let workspace = Workspace::new();
    let text = workspace.run(&format!("bench train {TINY} --table")).succeeds().stdout;
    assert_eq!(text.lines().filter(|line| line.contains('→')).count(), 8, "{text}");
}
