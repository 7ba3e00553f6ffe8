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
