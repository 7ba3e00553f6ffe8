//! What `dcgan train` refuses, with which words and which exit status.

use crate::workspace::{TINY, Workspace};
use std::fs;

#[test]
fn a_folder_without_pictures_is_one_clear_sentence() {
    let workspace = Workspace::new();
    fs::create_dir(workspace.path("empty")).unwrap();
    workspace.write("texts/a.jpg", "I am a text");
    workspace.write("texts/sub/b.png", "I am a text, too");
    workspace.write("documents/a.txt", "I am a text");
    let refusals = [
        ("nowhere", "\"nowhere\" does not exist"),
        ("empty", "there are no pictures in \"empty\""),
        ("texts", "none of the 2 pictures in \"texts\" can be used"),
        ("documents", "there are no pictures in \"documents\""),
        ("documents/a.txt", "is a file: give a folder of pictures"),
    ];
    for (data, words) in refusals {
        workspace.run(&format!("train {data} {TINY}")).fails(1, &[words]);
    }
    assert!(!workspace.path("runs").exists(), "no run has begun");
}

#[test]
fn impossible_settings_are_wrong_usage() {
    let workspace = Workspace::new();
    let refusals = [
        ("--image-size 48", "32, 64, 128 or 256"),
        ("--channels 2", "1 (grey) or 3 (colour)"),
        ("--latent-dim 0", "latent dimension 0"),
        ("--base-channels 4096", "1 to 1024"),
        ("--batch-size 0", "1 to 65536"),
        ("--epochs 0", "at least 1"),
        ("--max-steps 0", "at least 1"),
        ("--max-images 0", "1 or more"),
        ("--lr 0", "above 0"),
        ("--lr -1", "above 0"),
        ("--beta1 1", "below 1"),
    ];
    for (flags, words) in refusals {
        workspace.run(&format!("train --demo {flags}")).fails(2, &[words]);
    }
    workspace.run("train").fails(2, &["name a folder", "--demo"]);
    assert!(!workspace.path("runs").exists(), "no run has begun");
}

#[test]
fn a_wrong_command_line_is_explained() {
    let workspace = Workspace::new();
    let refusals = [
        ("train faces --demo", "cannot be used with"),
        ("train --demo --epoch 3", "'--epochs'"),
        ("train --demo --epochs many", "invalid value 'many' for '--epochs"),
        ("train --demo --init xavier", "choose default, normal or smooth"),
        ("train --demo --threads 0", "choose 1 to 1024"),
        ("train --resume run --out other", "cannot be used with"),
        ("paint", "unrecognized subcommand"),
        ("generate run --seeds 1 -n 3 --out faces", "cannot be used with"),
        ("generate", "there is no finished run in \"runs\" to take the newest of: name MODEL"),
    ];
    for (line, words) in refusals {
        let answer = workspace.run(line);
        assert_eq!(answer.status, Some(2), "{answer:?}");
        assert!(answer.stderr.starts_with("error: ") && answer.stderr.contains(words), "{answer:?}");
    }
}

#[test]
fn a_wrong_configuration_file_is_explained() {
    let workspace = Workspace::new();
    workspace.write("unknown.toml", "demo = true\nimage_size = 64\n");
    workspace.write("mistyped.toml", "demo = true\nepochs = \"five\"\n");
    workspace.write("broken.toml", "epochs 5");
    workspace.write("impossible.toml", "demo = true\nimage-size = 48\n");
    workspace.run("train --config nowhere.toml").fails(1, &["cannot read \"nowhere.toml\""]);
    workspace
        .run("train --config unknown.toml")
        .fails(2, &["\"unknown.toml\", line 2", "`image_size`", "`image-size`"]);
    workspace.run("train --config mistyped.toml").fails(2, &["\"mistyped.toml\", line 2", "epochs = \"five\""]);
    workspace.run("train --config broken.toml").fails(2, &["\"broken.toml\", line 1"]);
    workspace.run("train --config impossible.toml").fails(2, &["32, 64, 128 or 256"]);
}

#[test]
fn an_instruction_set_that_is_not_there_is_explained() {
    let workspace = Workspace::new();
    let output = workspace.command(&format!("train --demo {TINY}")).env("DCGAN_ISA", "mmx").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("error: DCGAN_ISA=mmx") && stderr.contains("portable"), "{stderr}");
}

#[test]
fn the_version_tells_the_instruction_set() {
    let workspace = Workspace::new();
    let output = workspace.command("--version").env("DCGAN_ISA", "portable").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("dcgan {} (portable)\n", env!("CARGO_PKG_VERSION")));
}
