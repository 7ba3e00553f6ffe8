//! What is made for the shell: completions and manual pages.

use crate::workspace::Workspace;

#[test]
fn completions_know_the_options() {
    let workspace = Workspace::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = workspace.run(&format!("completions {shell}")).succeeds().stdout;
        for word in ["dcgan", "convert", "--uint8", "--latent-dim"] {
            // Fish lists the names of long options without their dashes.
            assert!(script.contains(word.trim_start_matches('-')), "{shell}: no {word}");
        }
    }
    let answer = workspace.run("completions tcsh");
    assert_eq!(answer.status, Some(2), "{answer:?}");
    assert!(answer.stderr.contains("possible values: bash"), "{answer:?}");
}

#[test]
fn manual_pages_have_all_commands() {
    let workspace = Workspace::new();
    let page = workspace.run("man").succeeds().stdout;
    for words in [".TH dcgan 1", ".SH NAME", "dcgan\\-convert(1)", ".SH \"EXIT STATUS\"", "DCGAN_ISA", ".SH EXAMPLES"] {
        assert!(page.contains(words), "no {words} in {page}");
    }
    let output = workspace.command("man").env("DCGAN_ISA", "portable").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), page, "the same on every machine");

    workspace.run("man pages").succeeds();
    let names = workspace.names("pages");
    for name in ["dcgan.1", "dcgan-train.1", "dcgan-convert.1", "dcgan-bench-train.1"] {
        assert!(names.iter().any(|other| other == name), "{names:?}");
    }
    let page = String::from_utf8(workspace.read("pages/dcgan-convert.1")).unwrap();
    assert!(page.contains("\\-\\-uint8") && page.contains(".onnx"), "{page}");
    workspace.write("taken", "");
    workspace.run("man taken").fails(1, &["cannot write to \"taken\""]);
}
