//! Damage, signals and short resources: nothing is lost, and the message says what to do.

use crate::workspace::{Answer, TINY, Workspace};
use std::fs;
use std::process::Stdio;

/// `TINY` with so many epochs of 3 steps.
fn tiny(epochs: u64) -> String {
    TINY.replace("--epochs 2", &format!("--epochs {epochs}"))
}

/// Names and contents of all files below a folder.
fn contents(workspace: &Workspace, folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for name in workspace.names(folder) {
        let name = format!("{folder}/{name}");
        if workspace.path(&name).is_dir() {
            all.extend(contents(workspace, &name));
        } else if !name.ends_with(".lock") {
            all.push((name.clone(), workspace.read(&name)));
        }
    }
    all
}

fn temporaries(workspace: &Workspace, folder: &str) -> Vec<String> {
    workspace.names(folder).into_iter().filter(|name| name.ends_with(".dcgan")).collect()
}

#[test]
fn a_run_whose_checkpoints_are_gone_is_left_alone() {
    let workspace = Workspace::trained();
    for name in workspace.names("run/checkpoints") {
        fs::remove_file(workspace.path(&format!("run/checkpoints/{name}"))).unwrap();
    }
    let before = contents(&workspace, "run");
    workspace.run("train --resume run").fails(1, &["\"run\" has no checkpoint", "generator.pt", "--out"]);
    workspace.run("train --resume run --epochs 5 --lr 1e-3").fails(1, &["\"run\" has no checkpoint"]);
    assert!(before == contents(&workspace, "run"), "something was changed");
    for name in ["generator.pt", "generator.safetensors"] {
        fs::remove_file(workspace.path(&format!("run/{name}"))).unwrap();
    }
    workspace.run("train --resume run").fails(1, &["\"run\" has no checkpoint", "samples/epoch-0002.png"]);
}

#[test]
fn a_result_is_kept_when_its_run_goes_on() {
    let workspace = Workspace::trained();
    let result = workspace.read("run/generator.pt");
    workspace.run("train --resume run --epochs 3").succeeds();
    assert!(workspace.read("run/kept.step-00000006/generator.pt") == result);
    assert!(workspace.read("run/generator.pt") != result);
}

#[test]
fn damaged_records_are_repaired_and_kept() {
    let workspace = Workspace::trained();
    let mut metrics = workspace.read("run/metrics.jsonl");
    let place = metrics.iter().position(|&byte| byte == b'\n').unwrap() + 30;
    metrics[place] = 0xff;
    workspace.write("run/metrics.jsonl", &metrics);
    let events = workspace.names("run").into_iter().find(|name| name.contains("tfevents")).unwrap();
    let mut damaged = workspace.read(&format!("run/{events}"));
    damaged[60] ^= 1;
    workspace.write(&format!("run/{events}"), &damaged);
    workspace.write("run/run.json", "[{\"started\": ");

    let answer = workspace.run("train --resume run --epochs 3").succeeds();
    for warning in [
        "warning   1 line of metrics.jsonl cannot be read and was left out; metrics.jsonl.damaged has the file as it \
         was",
        &format!("warning   parts of {events} cannot be read"),
        "warning   the run's run.json cannot be read: it was renamed to run.json.damaged",
    ] {
        assert!(answer.stderr.contains(warning), "no {warning:?} in {answer:?}");
    }
    let text = String::from_utf8(workspace.read("run/metrics.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 8, "one of nine is lost");
    assert!(workspace.read("run/metrics.jsonl.damaged") == metrics);
    assert_eq!(workspace.read("run/run.json.damaged"), b"[{\"started\": ");
    let copy = workspace.names("run").into_iter().find(|name| name.starts_with("events-")).unwrap();
    assert!(workspace.read(&format!("run/{copy}")) == damaged);
    assert!(String::from_utf8(workspace.read("run/config.toml")).unwrap().contains("\nepochs = 3\n"));
    let answer = workspace.run("train --resume run").succeeds();
    assert!(!answer.stderr.contains("warning"), "{answer:?}");
}

/// Nothing is renamed, repaired or overwritten before it is known that the run goes on.
#[test]
fn a_refused_resume_changes_nothing() {
    let workspace = Workspace::trained();
    let newest = format!("run/checkpoints/{}", workspace.names("run/checkpoints").pop().unwrap());
    let mut bytes = workspace.read(&newest);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    workspace.write(&newest, bytes);
    workspace.write("run/run.json", "damaged");
    let before = contents(&workspace, "run");
    workspace.run("train --resume run --seed 5").fails(2, &["another seed"]);
    workspace.run("train --resume run --max-images 23").fails(1, &["these 23 pictures are not those"]);
    assert!(before == contents(&workspace, "run"), "something was changed");
}

#[test]
fn a_damaged_cache_is_noticed_and_written_again() {
    let workspace = Workspace::new();
    workspace.run("demo-data faces --count 24 --size 32").succeeds();
    let settings = TINY.replace("--max-images 24 ", "");
    let train = |out: &str| workspace.run(&format!("train faces {settings} --cache cache --out {out}")).succeeds();
    train("whole");
    let cache = format!("cache/{}", workspace.names("cache")[0]);
    let whole = workspace.read(&cache);
    let mut damaged = whole.clone();
    damaged[5000] ^= 0x40;
    workspace.write(&cache, &damaged);
    let answer = train("again");
    assert!(
        answer.stderr.contains("warning   the cache was damaged: 1 picture was read from the files again"),
        "{answer:?}"
    );
    assert!(
        workspace.read("whole/generator.pt") == workspace.read("again/generator.pt"),
        "it has learnt from the damage"
    );
    workspace.write(&cache, &damaged);
    workspace.run("train --resume whole --epochs 3").succeeds();
    workspace.write(&cache, &damaged[..damaged.len() - 9]);
    let answer = workspace.run("check faces --image-size 32 --cache cache").succeeds();
    assert!(answer.stderr.contains("the cache was damaged: 24 pictures"), "{answer:?}");
}

#[test]
fn the_advice_after_a_divergence_helps() {
    for (option, advice) in [("--lr", "--lr 2.0e-4"), ("--lr-d", "--lr-d 2.0e-4"), ("--lr-g", "--lr-g 2.0e-4")] {
        let workspace = Workspace::new();
        let mut command = workspace.command(&format!("train --demo {} {option} 1e37", tiny(2)));
        let answer = Answer::new(command.args(["--out", "my run"]).output().unwrap());
        let way_on = format!("dcgan train --resume 'my run' {advice}: ");
        assert!(answer.stderr.contains(&way_on), "{option}: no {way_on:?} in {answer:?}");
        let mut command = workspace.command(&format!("train {advice}"));
        Answer::new(command.args(["--resume", "my run"]).output().unwrap()).succeeds();
    }
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::process::{Child, Command};
    use std::thread;
    use std::time::{Duration, Instant};

    fn send(child: &Child, name: &str) {
        // It may have come to its end.
        let mut kill = Command::new("kill");
        kill.args([format!("-{name}"), child.id().to_string()]).stderr(Stdio::null()).status().unwrap();
    }

    /// Waits until something is true, or the program has ended.
    fn wait_until(child: &mut Child, is_there: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_there() && child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(120), "nothing happens");
            thread::sleep(Duration::from_micros(200));
        }
    }

    fn start(mut command: Command) -> Child {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The program under limits, by the shell.
    fn limited(workspace: &Workspace, limits: &str, line: &str) -> Answer {
        let script = format!("{limits}; exec {} {line}", env!("CARGO_BIN_EXE_dcgan"));
        let mut shell = Command::new("bash");
        shell.current_dir(workspace.path("")).args(["-c", &script]).env_remove("DCGAN_ISA");
        shell.env("HOME", workspace.path("user")).env_remove("XDG_CACHE_HOME");
        Answer::new(shell.output().unwrap())
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_closed_terminal_saves() {
        let workspace = Workspace::new();
        // Whoever runs the tests may ignore the signal, as nohup does, and children inherit that.
        let mut env = Command::new("env");
        env.current_dir(workspace.path("")).args(["--default-signal=HUP", env!("CARGO_BIN_EXE_dcgan")]);
        env.args(format!("train --demo {} --out run", tiny(1_000_000)).split_whitespace());
        let mut child = start(env);
        let first = workspace.path("run/checkpoints/step-00000003-epoch-0001.safetensors");
        wait_until(&mut child, || first.exists());
        // One from the shell, one from the system.
        send(&child, "HUP");
        send(&child, "HUP");
        let answer = Answer::new(child.wait_with_output().unwrap());
        assert_eq!(answer.status, Some(130), "{answer:?}");
        assert!(answer.stderr.contains("Go on with: dcgan train --resume run"), "{answer:?}");
        workspace.run("info run/generator.pt").succeeds();
    }

    #[test]
    fn nohup_goes_on() {
        let workspace = Workspace::new();
        let script =
            format!("trap '' HUP; exec {} train --demo {} --out run", env!("CARGO_BIN_EXE_dcgan"), tiny(1_000_000));
        let mut shell = Command::new("sh");
        shell.current_dir(workspace.path("")).args(["-c", &script]).env("HOME", workspace.path("user"));
        let mut child = start(shell);
        let last = || workspace.names("run/checkpoints").pop().unwrap_or_default();
        wait_until(&mut child, || workspace.path("run/checkpoints").exists() && last().starts_with("step-"));
        send(&child, "HUP");
        let before = last();
        wait_until(&mut child, || last() > before && last().starts_with("step-"));
        assert!(child.try_wait().unwrap().is_none(), "the signal was ignored when the program started");
        send(&child, "TERM");
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }

    #[test]
    fn commands_that_are_interrupted_leave_no_temporary_files() {
        let workspace = Workspace::trained();
        let is_ended_by = |answer: std::process::Output, number: i32| {
            use std::os::unix::process::ExitStatusExt;
            // It may have come to its end first.
            answer.status.signal() == Some(number) || answer.status.success()
        };
        let mut child = start(workspace.command("generate run --seeds 0-99999 --out faces"));
        wait_until(&mut child, || workspace.path("faces/seed-0007.png").exists());
        send(&child, "TERM");
        assert!(is_ended_by(child.wait_with_output().unwrap(), 15));
        assert_eq!(temporaries(&workspace, "faces"), [""; 0]);
        assert!(workspace.names("faces").len() < 100_000, "the command was interrupted");

        let mut child = start(workspace.command("interpolate run --seeds 0-999 --steps 1000 --out walk.png"));
        wait_until(&mut child, || !temporaries(&workspace, ".").is_empty());
        send(&child, "INT");
        assert!(is_ended_by(child.wait_with_output().unwrap(), 2));
        assert_eq!(temporaries(&workspace, "."), [""; 0]);

        // A folder of faces is completed by the same command, and never by another one.
        let line = "demo-data demo --count 600 --size 128";
        let mut child = start(workspace.command(line));
        wait_until(&mut child, || workspace.path("demo/00020.png").exists());
        send(&child, "HUP");
        assert!(is_ended_by(child.wait_with_output().unwrap(), 1));
        assert_eq!(temporaries(&workspace, "demo"), [""; 0]);
        let mut child = start(workspace.command(line));
        wait_until(&mut child, || temporaries(&workspace, "demo").len() > 1);
        child.kill().unwrap();
        child.wait().unwrap();
        workspace.run("demo-data demo --count 600 --size 64").fails(1, &["\"demo/", "is not the face"]);
        workspace.run(line).succeeds();
        assert_eq!(workspace.names("demo").len(), 600, "what the killed one left is swept");
        workspace.write("demo/notes.txt", "mine");
        workspace.run(line).fails(1, &["\"demo\" is not empty", "notes.txt"]);

        let mut child = start(workspace.command("check demo --cache cache"));
        let cache = || workspace.path("cache").exists() && !temporaries(&workspace, "cache").is_empty();
        wait_until(&mut child, cache);
        send(&child, "INT");
        assert!(is_ended_by(child.wait_with_output().unwrap(), 2));
        assert_eq!(temporaries(&workspace, "cache"), [""; 0]);
    }

    #[test]
    fn short_memory_is_found_out_before_the_work() {
        let workspace = Workspace::new();
        // More than the program itself needs, and less than the tutorial's networks.
        let answer = limited(&workspace, "ulimit -v 650000", "train nowhere --threads 1");
        let text = answer.stderr.clone();
        answer.fails(2, &["ulimit -v", "--batch-size "]);
        let batch: usize = text.split("--batch-size ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        // How much address space a thread has reserved when it is measured varies by 64 MiB from run to run.
        let line = format!("train nowhere --threads 1 --batch-size {}", batch.div_ceil(4));
        limited(&workspace, "ulimit -v 650000", &line).fails(1, &["\"nowhere\" does not exist"]);
        // Whatever is short, and wherever: never a panic, and never a signal.
        for limit in (40_000..400_000).step_by(30_000) {
            let line = "train --demo --max-images 128 --max-steps 1 --threads 2";
            let answer = limited(&workspace, &format!("ulimit -v {limit}"), line);
            assert!(matches!(answer.status, Some(1 | 2)), "{limit}: {answer:?}");
        }
    }

    #[test]
    fn a_limit_of_file_size_is_an_error_with_its_name() {
        let workspace = Workspace::new();
        limited(&workspace, "ulimit -f 8", "demo-data faces --count 9 --size 1024")
            .fails(1, &["cannot write \"faces/0000", "ulimit -f"]);
        assert_eq!(temporaries(&workspace, "faces"), [""; 0]);
    }

    /// Any number of programs may read the same new data set at once.
    #[test]
    fn ten_at_once_share_a_cache() {
        let workspace = Workspace::new();
        workspace.run("demo-data faces --count 24 --size 32").succeeds();
        for round in 0..4 {
            let line = format!("check faces --image-size 32 --cache cache-{round}");
            let children: Vec<Child> = (0..10).map(|_| start(workspace.command(&line))).collect();
            for child in children {
                let answer = Answer::new(child.wait_with_output().unwrap()).succeeds();
                assert!(!answer.stderr.contains("cannot be written"), "{answer:?}");
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_named() {
    let workspace = Workspace::trained();
    workspace.run("demo-data faces --count 3 --size 32").succeeds();
    for line in ["check faces --image-size 32", "info run", "info run --json", "devices", "completions bash", "man"] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = workspace.command(line).stdout(full).output().unwrap();
        Answer::new(output).fails(1, &["cannot write to standard output: No space left on device", "; free space"]);
    }
}

#[test]
fn what_can_be_checked_is_checked_before_the_work() {
    let workspace = Workspace::trained();
    workspace.write("taken/file", "");
    (0..70).for_each(|i| workspace.write(&format!("few/{i}.png"), "broken"));
    for (line, status, words) in [
        ("generate run -n 3000 --columns 1 --out sheet.jpg", 2, "more than JPEG can have"),
        ("generate run -n 600 --columns 1 --out sheet.webp", 2, "more than WebP can have"),
        ("generate run --out taken/file/sheet.png", 1, "cannot write"),
        ("train nowhere --out taken", 1, "\"taken\" is not empty"),
        ("train nowhere --out taken/file", 1, "is not a folder"),
        ("train few", 1, "\"few\" has 70 files, and a batch needs 128"),
        ("train few --max-images 100", 2, "--max-images 100 leaves fewer pictures than a batch needs"),
        ("check nowhere --sheet taken/file/sheet.png", 1, "cannot write"),
        ("project nowhere.png run --out taken/file/x.png", 1, "cannot write"),
        ("neighbours run nowhere --out taken/file/x.png", 1, "cannot write"),
        ("neighbours run nowhere -n 1024 -k 1 --scale 2 --out x.webp", 2, "more than WebP can have"),
        ("convert nowhere.pt taken/file/x.pt", 1, "cannot write"),
    ] {
        workspace.run(line).fails(status, &[words]);
    }
    assert!(!workspace.path("runs").exists());
}

/// Files of which one would expect some kilobytes.
#[test]
fn large_files_are_not_read_whole() {
    let workspace = Workspace::trained();
    fs::File::create(workspace.path("large.png")).unwrap().set_len(3 << 30).unwrap();
    workspace.run("project large.png run").fails(1, &["large.png\" is larger than the limit of 256 MiB"]);
    workspace.run("train --demo --config large.png").fails(1, &["large.png\" is larger than the limit of 1 MiB"]);
    workspace.write("long.toml", format!("epochs = \"{}\"\n", "x".repeat(500_000)));
    let answer = workspace.run("train --demo --config long.toml");
    assert!(answer.stderr.len() < 1000, "{} bytes of message", answer.stderr.len());
    answer.fails(2, &["long.toml", "line 1"]);
}

#[test]
fn names_from_a_tar_cannot_write_to_the_terminal() {
    let workspace = Workspace::new();
    // The header of an entry whose size is no number.
    let mut header = vec![0; 1024];
    header[..10].copy_from_slice(b"a\x1b[2Jb.png");
    header[124..136].copy_from_slice(b"\x1b[31mred\x1b[0m");
    header[156] = b'0';
    header[257..263].copy_from_slice(b"ustar\0");
    let sum: u32 = header[..512].iter().map(|&byte| u32::from(byte)).sum::<u32>() + 8 * 32;
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    workspace.write("faces.tar", header);
    for line in ["check faces.tar", "train faces.tar"] {
        let answer = workspace.run(line);
        assert!(!answer.stderr.contains('\u{1b}') && !answer.stdout.contains('\u{1b}'), "{answer:?}");
        answer.fails(1, &["faces.tar"]);
    }
}
