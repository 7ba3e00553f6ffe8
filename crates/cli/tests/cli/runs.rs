//! How a command finds the run that the user means.

use crate::workspace::{TINY, Workspace};

/// A workspace with two runs in runs/, of which the second is the newest.
fn with_runs() -> Workspace {
    let workspace = Workspace::new();
    for seed in [1, 2] {
        workspace.run(&format!("train --demo {TINY} --max-steps 1 --seed {seed}")).succeeds();
    }
    workspace
}

#[test]
fn the_newest_run_is_meant_by_default() {
    let workspace = with_runs();
    workspace.run("generate runs/0001-demo --out named.png").succeeds();
    let named = workspace.read("named.png");
    for line in ["generate", "generate latest"] {
        let answer = workspace.run(&format!("{line} --force")).succeeds();
        assert!(answer.stderr.contains("model     runs/0001-demo, the newest run"), "{answer:?}");
        assert!(workspace.read("faces.png") == named, "{line}");
    }
    workspace.run("demo-data pictures --count 24 --size 32").succeeds();
    for line in [
        "interpolate --seeds 1,2 --steps 1",
        "project pictures/00000.png --starts 1 --steps 1",
        "neighbours pictures -n 2",
        "neighbours --demo --max-images 8 -n 2",
        "evaluate pictures --samples 8",
        "evaluate latest pictures --samples 8",
        "timelapse",
        "convert g.pth",
        "info",
    ] {
        let answer = workspace.run(line).succeeds();
        assert!(answer.stderr.contains("runs/0001-demo, the newest run"), "{line}: {answer:?}");
    }
    // A run that was begun and has drawn nothing yet is left out.
    workspace.write("runs/0002-demo/config.toml", "demo = true\n");
    let answer = workspace.run("generate").succeeds();
    assert!(answer.stderr.contains("runs/0001-demo, the newest run"), "{answer:?}");
    workspace.run("evaluate runs/0001-demo").fails(2, &["\"runs/0001-demo\" is the model", "--demo"]);
    workspace.run("neighbours").fails(2, &["DATA", "--demo"]);
}

#[test]
fn an_error_for_a_missing_run_names_those_that_exist() {
    let workspace = with_runs();
    for line in [
        "generate runs/0000-pictures",
        "interpolate 0000-demo",
        "info runs/nothing/generator.pt",
        "timelapse runs/0009-demo",
        "convert runs/x g.pth",
    ] {
        workspace
            .run(line)
            .fails(1, &["there is no such file or folder; there are the runs runs/0001-demo, runs/0000-demo"]);
    }
}

#[test]
fn a_generator_without_a_discriminator_leads_to_its_run() {
    let workspace = Workspace::trained();
    let line = "generate run/generator.pt -n 2 --best-of 3";
    workspace
        .run(line)
        .fails(1, &["its run has both: dcgan generate run --best-of 3, or name one with --discriminator"]);
}
