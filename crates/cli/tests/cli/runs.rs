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
        "interpolate 0009-demo",
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

/// The page and its addresses call a run by its name.
#[test]
fn a_run_in_the_folder_of_runs_is_found_by_its_name() {
    let workspace = with_runs();
    workspace.run("generate runs/0000-demo --out path.png").succeeds();
    workspace.run("generate 0000-demo --out name.png").succeeds();
    assert!(workspace.read("name.png") == workspace.read("path.png"));
    let answer = workspace.run("train --resume 0000-demo").succeeds();
    assert!(answer.stderr.contains("folder    runs/0000-demo"), "{answer:?}");
    workspace.run("convert 0000-demo").fails(2, &["name the file to write after \"0000-demo\""]);
    // What is in the current folder comes first.
    workspace.write("0000-demo", "text");
    workspace.run("info 0000-demo").fails(1, &["0000-demo: it is a text file"]);
}

/// Such as `dcgan train --resume` on a run that is done.
#[test]
fn a_finished_run_is_not_advised_on_its_length() {
    let workspace = with_runs();
    let answer = workspace.run("train --resume runs/0001-demo").succeeds();
    assert!(answer.stderr.contains("note      the one step of this run is done; train on with more"), "{answer:?}");
    assert!(!answer.stderr.contains("usually need") && !answer.stderr.contains("memory"), "{answer:?}");
}
