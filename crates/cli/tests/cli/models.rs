//! Model files of other programs.

use crate::workspace::{TINY, Workspace};
use dcgan_formats::{Metadata, read_safetensors, write_safetensors};
use dcgan_model::TensorData;
use std::path::Path;

/// A file that PyTorch wrote, by tools/reference/model_file_fixtures.py.
fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../formats/tests/fixtures").join(name);
    path.canonicalize().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn of_several_generators_every_command_takes_the_one_that_is_named() {
    let workspace = Workspace::new();
    let both = fixture("kind-two.pth");
    workspace
        .run(&format!("generate {both}"))
        .fails(1, &["more than one generator: generator netG, generator netG_ema", "--network netG_ema"]);
    workspace.run(&format!("generate {both} --network netG --out one.png")).succeeds();
    workspace.run(&format!("generate {both} --network netG_ema --out other.png")).succeeds();
    assert!(workspace.png("one.png") != workspace.png("other.png"));
    workspace.run(&format!("generate {both} --network netD")).fails(1, &["discriminator"]);
    workspace.run(&format!("generate {both} --network ema")).fails(1, &["it holds no network ema", "netG_ema"]);
    workspace.run(&format!("convert {both} alone.pth --network netG_ema")).succeeds();
    workspace.run("generate alone.pth").succeeds();
    assert!(workspace.png("faces.png") == workspace.png("other.png"));
    let info = workspace.run(&format!("info {both} --network netG_ema")).succeeds();
    assert!(info.stdout.contains("generator netG_ema (PyTorch state_dict)"), "{}", info.stdout);
    let walk = format!("interpolate {both} --network netG --seeds 1,2 --steps 2 --out walk.gif");
    workspace.run(&walk).succeeds();
    workspace.run("demo-data faces --count 4 --size 32").succeeds();
    workspace.run(&format!("neighbours {both} faces --network netG -n 1 -k 2")).succeeds();
    let project = format!("project faces/00000.png {both} --network netG_ema --steps 2 --starts 1");
    workspace.run(&project).succeeds();
    workspace.run(&format!("generate {both} --network netG --best-of 2 -n 2")).succeeds();
    workspace.run(&format!("generate {both} --network netG --best-of 2 -n 2 --discriminator-network netD")).succeeds();
    workspace
        .run(&format!("generate {both} --network netG --best-of 2 -n 2 --discriminator-network netG"))
        .fails(1, &["netG", "is a generator"]);
}

#[test]
fn what_the_file_says_beside_its_network_is_told() {
    let workspace = Workspace::new();
    let half = fixture("kind-float16.safetensors");
    let answer = workspace.run(&format!("generate {half} -n 1")).succeeds();
    assert!(answer.stderr.contains("note      ") && answer.stderr.contains("float16"), "{}", answer.stderr);
    let info = workspace.run(&format!("info {half}")).succeeds();
    assert!(info.stdout.contains("weights of type float16"), "{}", info.stdout);
    let info = workspace.run(&format!("info {} --json", fixture("kind-averaged.pth"))).succeeds();
    let report: serde_json::Value = serde_json::from_str(&info.stdout).unwrap();
    assert_eq!((&report["name"], &report["dtype"]), (&"module".into(), &"float32".into()));
    assert_eq!(report["left_out"], serde_json::json!(["n_averaged"]));
    assert!(report.get("notes").is_none(), "{report}");
    let answer = workspace.run(&format!("generate {} -n 1", fixture("kind-namespace.pth"))).succeeds();
    assert!(answer.stderr.contains("nothing of them was run: argparse.Namespace"), "{}", answer.stderr);
}

#[test]
fn weights_that_are_not_numbers_draw_nothing() {
    let workspace = Workspace::trained();
    let (mut tensors, _) = read_safetensors(&workspace.read("run/generator.safetensors")).unwrap();
    for bad in [f32::NAN, f32::INFINITY] {
        let TensorData::F32(values) = &mut tensors["3.weight"].data else { panic!() };
        values[7] = bad;
        let mut bytes = Vec::new();
        write_safetensors(&mut bytes, &tensors, &Metadata::new()).unwrap();
        workspace.write("bad.safetensors", bytes);
        let words = ["bad.safetensors: its weights are not numbers any more (NaN or infinity in 3.weight)", "diverged"];
        workspace.run("generate bad.safetensors").fails(1, &words);
        workspace.run("convert bad.safetensors bad.pth").fails(1, &words);
        workspace.run("interpolate bad.safetensors").fails(1, &words);
        let info = workspace.run("info bad.safetensors").succeeds();
        assert!(info.stdout.contains("note: its weights are not numbers any more"), "{}", info.stdout);
    }
    assert!(!workspace.path("faces.png").exists() && !workspace.path("bad.pth").exists());
}

#[test]
fn seeds_are_those_of_torch_manual_seed_everywhere() {
    let workspace = Workspace::new();
    let train = |seed: &str, run: &str| {
        workspace.run(&format!("train --demo {TINY} --max-steps 1 --seed {seed} --out {run}")).succeeds();
        workspace.read(&format!("{run}/generator.safetensors"))
    };
    assert!(train("-1", "a") == train("18446744073709551615", "b"));
    // What config.toml says is read back as the same seed.
    let config = String::from_utf8(workspace.read("b/config.toml")).unwrap();
    assert!(config.contains("\nseed = -1\n"), "{config}");
    workspace.run("train --config b/config.toml --out c").succeeds();
    assert!(workspace.read("c/generator.safetensors") == workspace.read("a/generator.safetensors"));
    workspace.run(&format!("train --resume a --max-steps 2 --seed {}", u64::MAX)).succeeds();
    for (one, other) in [("-n 3 --seed -1", "-n 3 --seed 18446744073709551615"), ("--seeds -2--1,0", "--seeds -2-0")] {
        workspace.run(&format!("generate a {one} --force --out one.png")).succeeds();
        workspace.run(&format!("generate a {other} --force --out other.png")).succeeds();
        assert!(workspace.png("one.png") == workspace.png("other.png"), "{one}");
    }
    workspace.run("demo-data one --count 1 --seed -1").succeeds();
    workspace.run("demo-data other --count 1 --seed 18446744073709551615").succeeds();
    assert!(workspace.png("one/00000.png") == workspace.png("other/00000.png"));
    workspace.run("project one/00000.png a --steps 1 --starts 1 --seed -1").succeeds();
    workspace.run("interpolate a --seeds -1,5 --steps 1").succeeds();
    for line in ["train --demo --seed", "generate a --seed", "demo-data new --seed", "project one/00000.png a --seed"] {
        for (seed, words) in
            [("18446744073709551616", "a seed goes from -9223372036854775808"), ("1.5", "a whole number")]
        {
            let answer = workspace.run(&format!("{line} {seed}"));
            assert!(answer.status == Some(2) && answer.stderr.contains(words), "{answer:?}");
        }
    }
}
