//! Shards of a batch, and processes that a launcher of ranks has started. `tools/check/mpi.py` has those that train
//! together.

#[cfg(not(feature = "mpi"))]
use crate::workspace::Answer;
use crate::workspace::{TINY, Workspace};

#[test]
fn a_run_keeps_its_shards() {
    let workspace = Workspace::new();
    workspace.run(&format!("train --demo {TINY} --shards 3 --out run")).succeeds();
    workspace.run(&format!("train --demo {TINY} --out whole")).succeeds();
    let generator = |run: &str| workspace.read(&format!("{run}/generator.safetensors"));
    assert_ne!(generator("run"), generator("whole"), "shards round in another order");
    assert!(String::from_utf8(workspace.read("run/config.toml")).unwrap().contains("\nshards = 3\n"));
    workspace.run("train --resume run --epochs 3 --shards 2").fails(2, &["another shards", "3 before, 2 now"]);
    workspace.run("train --resume run --epochs 3").succeeds();
    workspace
        .run(&format!("train --demo {} --shards 3 --out longer", TINY.replace("--epochs 2", "--epochs 3")))
        .succeeds();
    assert!(generator("run") == generator("longer"), "a resumed run with shards differs");
}

#[test]
fn impossible_shards_are_refused() {
    let workspace = Workspace::new();
    workspace.run(&format!("train --demo {TINY} --shards 0 --out run")).fails(2, &["0 shards", "1 to 4096"]);
    assert!(!workspace.path("run").exists());
}

/// It would train alone, as many times as there are ranks.
#[cfg(not(feature = "mpi"))]
#[test]
fn a_program_without_mpi_is_no_rank() {
    let workspace = Workspace::new();
    for (variable, value) in [("OMPI_COMM_WORLD_SIZE", "2"), ("PMI_SIZE", "3"), ("PMIX_RANK", "1")] {
        let output =
            workspace.command(&format!("train --demo {TINY} --out run")).env(variable, value).output().unwrap();
        Answer::new(output).fails(2, &["built without MPI", "--features mpi"]);
        assert!(!workspace.path("run").exists());
    }
    let alone =
        workspace.command(&format!("train --demo {TINY} --out run")).env("OMPI_COMM_WORLD_SIZE", "1").output().unwrap();
    Answer::new(alone).succeeds();
}
