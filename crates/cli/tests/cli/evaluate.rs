use crate::workspace::{TINY, Workspace};
use serde_json::Value;

#[test]
fn every_figure_stands_beside_its_floor() {
    let workspace = Workspace::trained();
    let line = "evaluate run --demo --samples 20 --max-images 60";
    let answer = workspace.run(&format!("{line} --json")).succeeds();
    let report: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(report["samples"], 20);
    assert_eq!(report["features"], "random-224");
    for distance in ["kid", "fd"] {
        let floor = report[format!("{distance}_floor")].as_f64().unwrap();
        assert!(report[distance].as_f64().unwrap() > 2.0 * floor.max(0.0), "{distance}: {answer:?}");
    }
    for share in ["precision", "recall"] {
        assert!(report[share].as_f64().unwrap() < report[format!("{share}_floor")].as_f64().unwrap(), "{answer:?}");
    }
    // Pictures of 32 pixels have two levels.
    let levels = |name: &str| report[name].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((levels("swd"), levels("swd_floor")), (levels("swd_floor"), levels("swd")));
    assert!(levels("swd").contains(&"32".to_owned()) && !levels("swd").contains(&"64".to_owned()), "{answer:?}");
    assert_eq!(workspace.run(&format!("{line} --json")).stdout, answer.stdout, "the figures are the same every time");

    let text = workspace.run(line).succeeds().stdout;
    for words in ["20 generated pictures against 20 real ones", "SWD x 1000, mean", "Fréchet distance", "precision"] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
}

#[test]
fn other_real_pictures_come_close_to_the_floor() {
    let workspace = Workspace::trained();
    workspace.run("demo-data pictures --count 96").succeeds();
    workspace.run("demo-data others --count 48 --seed 1").succeeds();
    let mean = |model: &str| {
        let answer = workspace.run(&format!("evaluate {model} pictures --json")).succeeds();
        let report: Value = serde_json::from_str(&answer.stdout).unwrap();
        let of = |name: &str| report[name]["mean"].as_f64().unwrap();
        (of("swd"), of("swd_floor"))
    };
    let (distance, floor) = mean("others");
    assert!(distance < 1.5 * floor, "{distance} {floor}");
    let (distance, floor) = mean("run");
    assert!(distance > 3.0 * floor, "{distance} {floor}");
}

#[test]
fn a_run_keeps_the_generator_that_was_best() {
    let workspace = Workspace::new();
    let sizes = TINY.replace("--epochs 2", "--epochs 4");
    let answer = workspace.run(&format!("train --demo {sizes} --evaluate-every 1 --lr 2e-3 --out run")).succeeds();
    let metrics = String::from_utf8(workspace.read("run/metrics.jsonl")).unwrap();
    let lines = metrics.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let evaluations: Vec<Value> = lines.filter(|line| line.get("swd").is_some()).collect();
    assert_eq!(evaluations.iter().map(|line| line["epoch"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let swd = |line: &Value| line["swd"]["mean"].as_f64().unwrap();
    let best = evaluations.iter().min_by(|a, b| swd(a).total_cmp(&swd(b))).unwrap();
    let told = format!("best      after epoch {}: SWD x 1000 of {:.1}", best["epoch"], swd(best));
    assert!(answer.stderr.contains(&told), "no {told:?} in {answer:?}");

    workspace.run("generate run --best --out best.png").succeeds();
    workspace.run("generate run/generator-best.pt --out same.png").succeeds();
    workspace.run("generate run/generator-best.safetensors --out again.png").succeeds();
    assert_eq!(workspace.read("best.png"), workspace.read("same.png"));
    assert_eq!(workspace.read("best.png"), workspace.read("again.png"));
}

#[test]
fn impossible_evaluations_are_explained() {
    let workspace = Workspace::trained();
    workspace.run("demo-data pictures --count 6 --size 32").succeeds();
    let refusals = [
        ("evaluate run nowhere", 1, "\"nowhere\" does not exist"),
        ("evaluate missing.pt --demo", 1, "missing.pt: there is no such file"),
        ("evaluate run --demo --samples 4", 2, "--samples"),
        ("evaluate run", 2, "as DATA"),
        ("evaluate run pictures", 2, "cannot compare"),
        ("generate run --best", 2, "--evaluate-every"),
    ];
    for (line, status, words) in refusals {
        let answer = workspace.run(line);
        assert_eq!(answer.status, Some(status), "{line}: {answer:?}");
        assert!(answer.stderr.contains(words), "{line}: no {words:?} in {answer:?}");
    }
    let few = format!("train pictures {TINY} --batch-size 2 --evaluate-every 1");
    let few = few.replacen("--batch-size 8 ", "", 1);
    workspace.run(&few).fails(2, &["--evaluate-every 0"]);
    workspace.run(&few.replace("--evaluate-every 1", "--evaluate-every 0")).succeeds();
}

#[test]
fn a_time_becomes_a_number_of_steps() {
    let workspace = Workspace::new();
    let sizes = TINY.replace("--epochs 2", "--epochs 3");
    let answer = workspace.run(&format!("train --demo {sizes} --time 10s --out run")).succeeds();
    assert!(answer.stderr.contains("steps take about 10s"), "{answer:?}");
    let config = String::from_utf8(workspace.read("run/config.toml")).unwrap();
    let epoch_size = config.lines().find_map(|line| line.strip_prefix("epoch-size = ")).unwrap();
    let steps = 3 * epoch_size.parse::<usize>().unwrap() / 8;
    let lines = workspace.read("run/metrics.jsonl").iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(lines, steps, "the configuration states the steps that were taken");
    for refused in ["--time 5", "--time 1s", "--time 10s --max-steps 4"] {
        let answer = workspace.run(&format!("train --demo {TINY} {refused}"));
        assert_eq!(answer.status, Some(2), "{refused}: {answer:?}");
    }
}
