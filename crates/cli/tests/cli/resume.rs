//! Runs that are stopped in every way and go on.

use crate::workspace::{Answer, TINY, Workspace};
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

/// `TINY` with so many epochs of 3 steps.
fn tiny(epochs: u64) -> String {
    TINY.replace("--epochs 2", &format!("--epochs {epochs}"))
}

/// The names of a run's checkpoints, oldest first.
fn checkpoints(workspace: &Workspace, run: &str) -> Vec<String> {
    workspace.names(&format!("{run}/checkpoints"))
}

/// The lines of `metrics.jsonl` without the speed, which is never the same twice.
fn metrics(workspace: &Workspace, run: &str) -> Vec<Value> {
    let text = String::from_utf8(workspace.read(&format!("{run}/metrics.jsonl"))).unwrap();
    let line = |line: &str| {
        let mut step: Value = serde_json::from_str(line).unwrap();
        for measured in ["images_per_second", "data_seconds"] {
            step.as_object_mut().unwrap().remove(measured).unwrap();
        }
        step
    };
    text.lines().map(line).collect()
}

/// Checks that two runs have come to the same end, to the byte.
fn assert_same(workspace: &Workspace, a: &str, b: &str) {
    let same = |file: &str| {
        let [a, b] = [a, b].map(|run| workspace.read(&format!("{run}/{file}")));
        assert!(a == b, "{file} differs");
    };
    same("generator.safetensors");
    same("generator.pt");
    same("losses.png");
    let samples = workspace.names(&format!("{a}/samples"));
    assert_eq!(samples, workspace.names(&format!("{b}/samples")));
    samples.iter().for_each(|name| same(&format!("samples/{name}")));
    // Both networks, both optimizers, random numbers: everything but the settings, which may have been changed on the
    // way.
    let last = checkpoints(workspace, a).pop().unwrap();
    let [first, second] = [a, b].map(|run| {
        let (checkpoint, _) =
            dcgan_formats::load_checkpoint(workspace.path(&format!("{run}/checkpoints/{last}"))).unwrap();
        checkpoint
    });
    assert!(first == second, "{last} differs");
    assert_eq!(metrics(workspace, a), metrics(workspace, b));
}

/// Sends a signal that the standard library cannot send.
#[cfg(unix)]
fn signal(process: u32, name: &str) {
    let status = std::process::Command::new("kill").args([format!("-{name}"), process.to_string()]).status().unwrap();
    assert!(status.success());
}

/// Waits for `path` to appear.
fn wait_for(path: &std::path::Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "{path:?} does not appear");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_finished_run_can_have_more_epochs() {
    let workspace = Workspace::new();
    workspace.run(&format!("train --demo {} --out whole", tiny(3))).succeeds();
    workspace.run(&format!("train --demo {}", tiny(1))).succeeds();
    let answer = workspace.run("train --resume --epochs 3 --threads 1").succeeds();
    assert!(answer.stderr.contains("resumes   after epoch 1, step 3"), "{answer:?}");
    assert!(answer.stderr.contains("changed   epochs: 1 → 3") && answer.stderr.contains("changed   threads: 2 → 1"));
    assert_eq!(answer.stdout.lines().count(), 2, "{answer:?}");
    assert_same(&workspace, "whole", "runs/0000-demo");
    let config = String::from_utf8(workspace.read("runs/0000-demo/config.toml")).unwrap();
    assert!(config.contains("\nepochs = 3\n"), "{config}");

    let sessions: Vec<Value> = serde_json::from_slice(&workspace.read("runs/0000-demo/run.json")).unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!((&sessions[0]["from_step"], &sessions[1]["from_step"]), (&Value::from(0), &Value::from(3)));
    assert_eq!(sessions[1]["changes"], serde_json::json!(["epochs: 1 → 3", "threads: 2 → 1"]));
    assert_eq!(sessions[0]["data_fingerprint"], sessions[1]["data_fingerprint"]);
    for key in ["machine", "instruction_set", "version", "started"] {
        assert!(sessions[0][key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
    }

    // Nothing is left to do, and nothing is lost by asking.
    workspace.run("train --resume runs/0000-demo").succeeds();
    assert_same(&workspace, "whole", "runs/0000-demo");
}

#[test]
fn runs_of_the_library_and_of_the_program_are_the_same() {
    let workspace = Workspace::new();
    // With the instruction set of this process, which the library runs in.
    let run = |line: &str| {
        let mut command = workspace.command(line);
        command.envs(std::env::var_os("DCGAN_ISA").map(|isa| ("DCGAN_ISA", isa)));
        Answer::new(command.output().unwrap())
    };
    run(&format!("train --demo {} --out whole", tiny(3))).succeeds();
    let images = || dcgan::demo_faces(24, 32, dcgan::Channels::Rgb).unwrap();
    let settings = |source: &str, out: &str| {
        let mut options = dcgan::TrainOptions::from_toml(source).unwrap();
        for words in tiny(1).split_whitespace().collect::<Vec<_>>().chunks(2) {
            options.set(words[0].trim_start_matches('-'), words[1]).unwrap();
        }
        dcgan::Settings { out: Some(workspace.path(out)), ..options.resolve_for_images_in_memory().unwrap() }
    };

    dcgan::Training::with_settings(settings("demo = true", "library"), images()).unwrap().run().unwrap();
    assert_eq!(workspace.read("library/config.toml"), {
        run(&format!("train --demo {} --out program", tiny(1))).succeeds();
        workspace.read("program/config.toml")
    });
    let answer = run("train --resume library --epochs 3").succeeds();
    assert!(answer.stderr.contains("resumes   after epoch 1, step 3"), "{answer:?}");
    let changed = answer.stderr.lines().filter(|line| line.starts_with("changed")).collect::<Vec<_>>();
    assert_eq!(changed, ["changed   epochs: 1 → 3"]);
    assert_same(&workspace, "whole", "library");

    let program = workspace.path("program");
    let mut longer = dcgan::run_settings(&program).unwrap();
    longer.train.epochs = 3;
    dcgan::Training::with_settings(longer, images()).unwrap().resume_folder(program).unwrap().run().unwrap();
    assert_same(&workspace, "whole", "program");

    // Images that were in memory have to be named, and be the same ones.
    dcgan::Training::with_settings(settings("", "memory"), images()).unwrap().run().unwrap();
    run("train --resume memory --epochs 3").fails(2, &["a program had them in memory", "train DATA --resume memory"]);
    run("train --demo --max-images 23 --resume memory --epochs 3").fails(1, &["are not those"]);
    run("train --demo --max-images 24 --resume memory --seed 1").fails(2, &["another seed"]);
    run("train --demo --max-images 24 --resume memory --epochs 3").succeeds();
    assert_same(&workspace, "whole", "memory");
}

#[test]
fn a_mirrored_run_can_go_on_without_mirroring() {
    let workspace = Workspace::new();
    workspace.run(&format!("train --demo {} --flip --out run", tiny(1))).succeeds();
    let answer = workspace.run("train --resume run --epochs 2 --flip=false").succeeds();
    assert!(answer.stderr.contains("changed   flip: true → false"), "{answer:?}");
    let config = String::from_utf8(workspace.read("run/config.toml")).unwrap();
    assert!(config.contains("\nflip = false\n"), "{config}");
}

#[test]
fn a_run_can_end_and_go_on_within_an_epoch() {
    let workspace = Workspace::trained();
    workspace.run(&format!("train --demo {TINY} --max-steps 1 --out parts")).succeeds();
    for steps in [2, 4, 5, 6] {
        workspace.run(&format!("train --resume parts --max-steps {steps}")).succeeds();
    }
    assert_same(&workspace, "run", "parts");
}

#[test]
fn the_last_checkpoints_are_kept_and_each_of_some_epochs() {
    let workspace = Workspace::new();
    workspace.run(&format!("train --demo {} --keep 1 --keep-every 2 --save-every 1 --out run", tiny(5))).succeeds();
    let names = ["06-epoch-0002", "12-epoch-0004", "15-epoch-0005"];
    assert_eq!(checkpoints(&workspace, "run"), names.map(|name| format!("step-000000{name}.safetensors")));
    let file = format!("run/checkpoints/step-000000{}.safetensors", names[0]);
    workspace.run(&format!("generate {file}")).succeeds();
    let answer = workspace.run(&format!("info {file}")).succeeds();
    assert!(
        answer.stdout.contains("generator (checkpoint)\nafter epoch 2, step 6, of pictures with fingerprint crc32:")
    );
    let info: Value = serde_json::from_str(&workspace.run(&format!("info --json {file}")).succeeds().stdout).unwrap();
    assert_eq!((&info["training"]["steps"], &info["training"]["format_version"]), (&Value::from(6), &Value::from("1")));
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let workspace = Workspace::trained();
    workspace.run("demo-data faces --count 24 --size 32").succeeds();
    let before = workspace.read("run/config.toml");
    for (flags, words) in [
        ("--seed 1", "another seed (0 before, 1 now)"),
        ("--init normal", "another init"),
        ("--image-size 64", "another image-size (32 before, 64 now)"),
        ("--channels 1", "another channels"),
        ("--latent-dim 5", "another latent-dim"),
        ("--base-channels 3", "another base-channels"),
        ("--epochs 1", "--epochs 1 is over: the run is in epoch 2"),
        ("--max-steps 5", "--max-steps 5 is over: the run has taken 6 steps"),
    ] {
        workspace.run(&format!("train --resume run {flags}")).fails(2, &[words]);
    }
    workspace.run("train --resume run --max-images 23").fails(1, &["these 23 pictures are not those"]);
    workspace.run("train --resume").fails(1, &["no run in \"runs\"", "--resume RUN"]);
    workspace.run("train --resume faces").fails(1, &["\"faces\" is no run's folder"]);
    workspace.run("train --resume nowhere").fails(1, &["\"nowhere\" is no run's folder"]);
    assert_eq!(workspace.read("run/config.toml"), before);

    // Whether asked for on the command line or in the file.
    let config = String::from_utf8(before).unwrap();
    workspace.write("run/config.toml", config.replace("\nseed = 0\n", "\nseed = 7\n"));
    workspace.run("train --resume run").fails(2, &["another seed (0 before, 7 now)"]);
    workspace.write("run/config.toml", config.replace("\nseed = 0\n", "\nseed = many\n"));
    workspace.run("train --resume run").fails(2, &["config.toml", "seed = many"]);
    workspace.write("run/config.toml", config);

    let output = workspace.command("train --resume run --epochs 2").env("DCGAN_ISA", "portable").output().unwrap();
    let answer = Answer::new(output).succeeds();
    let sessions: Vec<Value> = serde_json::from_slice(&workspace.read("run/run.json")).unwrap();
    let is_other = sessions[0]["instruction_set"] != "portable";
    assert_eq!(answer.stderr.contains("→ portable, which may round differently"), is_other, "{answer:?}");

    // The same pictures from elsewhere are the same pictures.
    workspace.run("train faces --resume run").succeeds();
    // Other rates and batches make another run, not nonsense.
    let answer = workspace.run("train --resume run --epochs 3 --lr 1e-4 --batch-size 4").succeeds();
    assert!(answer.stderr.contains("changed   lr: 0.0002 → 0.0001"), "{answer:?}");
    assert_eq!(metrics(&workspace, "run").last().unwrap()["step"], 12, "6 steps of 8 pictures, 6 of 4");
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_it_used() {
    let workspace = Workspace::trained();
    workspace.run(&format!("train --demo {} --save-every 2 --out damaged", tiny(1))).succeeds();
    let names = checkpoints(&workspace, "damaged");
    let newest = format!("damaged/checkpoints/{}", names[1]);
    let mut bytes = workspace.read(&newest);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    workspace.write(&newest, bytes);
    let answer = workspace.run("train --resume damaged --epochs 2").succeeds();
    assert!(answer.stderr.contains("epoch-0001.safetensors: its checksum should be"), "{answer:?}");
    assert!(answer.stderr.contains("resumes   in epoch 1, after step 2"), "{answer:?}");
    fs::remove_file(workspace.path(&format!("{newest}.damaged"))).unwrap();
    assert_same(&workspace, "run", "damaged");
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_a_second_one_leaves_at_once() {
    let workspace = Workspace::new();
    let long = tiny(1_000_000);
    for name in ["INT", "TERM"] {
        let mut command = workspace.command(&format!("train --demo {long} --out {name}"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for(&workspace.path(&format!("{name}/checkpoints/step-00000003-epoch-0001.safetensors")));
        signal(child.id(), name);
        let answer = Answer::new(child.wait_with_output().unwrap());
        assert_eq!(answer.status, Some(130), "{answer:?}");
        let step = metrics(&workspace, name).len();
        let way_on = format!("stopped after step {step}. Go on with: dcgan train --resume {name}\n");
        assert!(answer.stderr.replace(',', "").ends_with(&way_on), "{answer:?}");
        let last = checkpoints(&workspace, name).pop().unwrap();
        assert!(last.starts_with(&format!("step-{step:08}")), "{last}, but {step} steps");

        // What it has learnt can be used at once.
        workspace.run(&format!("generate {name}/generator.pt -n 2 --out {name}.png")).succeeds();
        let end = step.div_ceil(3) as u64 + 1;
        workspace.run(&format!("train --resume {name} --epochs {end}")).succeeds();
        workspace.run(&format!("train --demo {} --out whole-{name}", tiny(end))).succeeds();
        assert_same(&workspace, &format!("whole-{name}"), name);
    }

    // One step of the full-size networks takes a second or more.
    let slow = "--demo --max-images 128 --threads 1 --save-every 1";
    let mut command = workspace.command(&format!("train {slow} --out slow"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&workspace.path("slow/samples/epoch-0000.png"));
    signal(child.id(), "INT");
    thread::sleep(Duration::from_millis(250));
    signal(child.id(), "INT");
    let answer = Answer::new(child.wait_with_output().unwrap());
    assert_eq!(answer.status, Some(130), "{answer:?}");
    assert!(answer.stderr.contains("Ctrl-C again leaves at once"), "{answer:?}");
    assert!(!answer.stderr.contains("stopped after"), "{answer:?}");
    assert!(checkpoints(&workspace, "slow").is_empty(), "the step was not waited for");
}

#[test]
fn a_second_process_on_the_same_run_is_refused() {
    let workspace = Workspace::new();
    let long = tiny(1_000_000);
    let mut command = workspace.command(&format!("train --demo {long} --out run"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for(&workspace.path("run/checkpoints/step-00000003-epoch-0001.safetensors"));
    let process = format!("(process {})", child.id());
    workspace.run("train --resume run").fails(1, &["\"run\" is in use by another dcgan", &process]);
    workspace.run(&format!("train --demo {TINY} --out run")).fails(1, &["\"run\""]);
    child.kill().unwrap();
    child.wait().unwrap();
    let last = metrics(&workspace, "run").len().div_ceil(3) + 1;
    workspace.run(&format!("train --resume run --epochs {last}")).succeeds();
}

/// A full disk, for anyone: files cannot grow beyond a limit.
#[cfg(unix)]
#[test]
fn a_full_disk_is_named_and_leaves_the_last_good_state() {
    let workspace = Workspace::new();
    // Checkpoints of these networks are larger than everything else.
    let settings =
        |epochs: u64| format!("{} --channels 1", tiny(epochs)).replace("--base-channels 2", "--base-channels 8");
    workspace.run(&format!("train --demo {} --out whole", settings(3))).succeeds();
    workspace.run(&format!("train --demo {} --out full", settings(1))).succeeds();
    let before = checkpoints(&workspace, "full");
    let size = workspace.read(&format!("full/checkpoints/{}", before[0])).len();
    let sheet = workspace.read("whole/samples/epoch-0003.png").len();
    assert!(sheet + 2048 < size, "sheets have {sheet} bytes, checkpoints {size}");

    // Blocks of 512 bytes.
    let script = format!(
        "ulimit -f {}; exec {} train --resume full --epochs 3",
        (size - 1024) / 512,
        env!("CARGO_BIN_EXE_dcgan")
    );
    let mut shell = std::process::Command::new("sh");
    let output = shell.current_dir(workspace.path("")).args(["-c", &script]).env_remove("DCGAN_ISA").output().unwrap();
    let name = "full/checkpoints/step-00000006-epoch-0002.safetensors";
    Answer::new(output)
        .fails(1, &["\"full\" has failed", "dcgan train --resume full", &format!("cannot write {name:?}")]);
    assert_eq!(checkpoints(&workspace, "full"), before, "nothing is left of the one that did not fit");

    workspace.run("train --resume full --epochs 3").succeeds();
    assert_same(&workspace, "whole", "full");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let workspace = Workspace::trained();
    let set_mode = |folder: &str, mode| {
        fs::set_permissions(workspace.path(folder), fs::Permissions::from_mode(mode)).unwrap();
    };
    ["run/checkpoints", "run/samples"].iter().for_each(|folder| set_mode(folder, 0o555));
    // Root may write anywhere, so that nothing can be said there.
    if fs::write(workspace.path("run/samples/probe"), "").is_err() {
        workspace.run("train --resume run --epochs 3").fails(1, &["\"run\" has failed", "cannot write \"run/samples/"]);
    }
    ["run/checkpoints", "run/samples"].iter().for_each(|folder| set_mode(folder, 0o755));
    // The same for root: a file where a folder should be.
    fs::remove_dir_all(workspace.path("run/samples")).unwrap();
    workspace.write("run/samples", "");
    workspace.run("train --resume run --epochs 3").fails(1, &["cannot write \"run/samples\""]);
    fs::remove_file(workspace.path("run/samples")).unwrap();
    workspace.run("train --resume run --epochs 3").succeeds();
}

/// Kills the program where no handler can help, again and again, at moments that are spread over everything it does.
#[test]
fn a_run_that_is_killed_at_any_moment_comes_to_the_same_end() {
    let workspace = Workspace::new();
    let settings = format!("{} --save-every 1", tiny(40));
    let start = Instant::now();
    workspace.run(&format!("train --demo {settings} --out whole")).succeeds();
    // Long enough to start and take some steps, too short to come far.
    let mut most = start.elapsed() / 12;

    let mut random = Random(12345);
    let mut kills = 0;
    let mut line = format!("train --demo {settings} --out killed");
    while !runs_to_its_end(&workspace, &line, most.mul_f64(random.next())) {
        kills += 1;
        if kills > 30 {
            // Where starting takes long the end must come within reach.
            most = most.mul_f64(1.2);
        }
        // Until there is a run to resume, it begins again.
        if workspace.path("killed/config.toml").exists() {
            line = "train --resume killed".to_owned();
        }
    }
    println!("killed {kills} times");
    assert!(kills >= 8, "only {kills} kills");
    assert_same(&workspace, "whole", "killed");
    // Whatever was half written is gone.
    for folder in ["", "/checkpoints", "/samples"] {
        let [whole, killed] = ["whole", "killed"].map(|run| {
            let names = workspace.names(&format!("{run}{folder}")).into_iter();
            // TensorBoard's files have one for every process.
            names.filter(|name| !name.contains("tfevents")).collect::<Vec<_>>()
        });
        assert_eq!(whole, killed, "{folder}");
    }
    assert!(workspace.read("whole/losses.png") == workspace.read("killed/losses.png"), "the plot has forgotten steps");
}

/// Starts the program, kills it after `time` if it has not ended, and says whether it has.
fn runs_to_its_end(workspace: &Workspace, line: &str, time: Duration) -> bool {
    let mut child = workspace.command(line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + time;
    while Instant::now() < end {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        thread::sleep(Duration::from_micros(200));
    }
    // SIGKILL on Unix, TerminateProcess on Windows; an error if it has just ended.
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    // A killed program has no status on Unix, and says nothing of errors anywhere.
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("error") && !stderr.contains("warning"), "{line}: {stderr}");
    output.status.success()
}

/// A fixed sequence of numbers from 0 to 1.
struct Random(u32);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0) / f64::from(u32::MAX)
    }
}

/// A configuration file is text, and a path need not be.
#[cfg(target_os = "linux")]
#[test]
fn pictures_whose_path_is_no_text_are_found_again() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let workspace = Workspace::new();
    workspace.run("demo-data faces --count 24 --size 32").succeeds();
    let name = OsStr::from_bytes(b"caf\xe9");
    std::fs::rename(workspace.path("faces"), workspace.path(".").join(name)).unwrap();
    let run = |line: &str| {
        let mut command = workspace.command(&line.replace("DATA ", ""));
        if line.contains("DATA ") {
            command.arg(name);
        }
        Answer::new(command.output().unwrap())
    };
    run(&format!("train DATA {TINY} --max-steps 2 --out run")).succeeds();
    run("train --resume run --max-steps 4").succeeds();
    // In a run of an earlier version.
    let config = String::from_utf8(workspace.read("run/config.toml")).unwrap();
    workspace.write("run/config.toml", config.replace("\ndata-escaped", "\n# data-escaped"));
    run("train --resume run --max-steps 5")
        .fails(2, &["its pictures are", "not UTF-8", "dcgan train DATA --resume run"]);
    run("train DATA --max-steps 5 --resume=run").succeeds();
}
