use crate::workspace::Workspace;

#[test]
fn a_models_layers_are_listed() {
    let workspace = Workspace::trained();
    let answer = workspace.run("info run/generator.pt").succeeds();
    let words: Vec<&str> = answer.stdout.split_whitespace().collect();
    let text = words.join(" ");
    for row in [
        "run/generator.pt: generator (TorchScript)",
        "0 ConvTranspose2d(4, 8, kernel_size=4, stride=1, padding=0, bias=False) 8 × 4 × 4 512",
        "1 BatchNorm2d(8) 8 × 4 × 4 16",
        "2 ReLU() 8 × 4 × 4 3",
        "10 Tanh() 3 × 32 × 32 total",
    ] {
        assert!(text.contains(row), "no {row:?} in {}", answer.stdout);
    }
    // 512 + 16, 8·4·16 + 8, 4·2·16 + 4, 2·3·16
    assert!(answer.stdout.trim_end().ends_with("1,276"), "{}", answer.stdout);
}

#[test]
fn json_holds_the_same() {
    let workspace = Workspace::trained();
    let answer = workspace.run("info run --json").succeeds();
    let report: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(report["file"], "run/generator.safetensors");
    assert_eq!(report["format"], "safetensors");
    assert_eq!(report["role"], "generator");
    for (key, value) in
        [("image_size", 32), ("channels", 3), ("latent_dim", 4), ("base_channels", 2), ("parameters", 1276)]
    {
        assert_eq!(report[key], value, "{key}");
    }
    let layers = report["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 11);
    assert_eq!(layers[9]["output_shape"], serde_json::json!([3, 32, 32]));
    let sum: u64 = layers.iter().map(|layer| layer["parameters"].as_u64().unwrap()).sum();
    assert_eq!(sum, 1276);
}

#[test]
fn what_is_no_model_is_named() {
    let workspace = Workspace::new();
    workspace.write("model.safetensors", "");
    workspace.run("info model.safetensors").fails(1, &["model.safetensors: it is empty"]);
    workspace.run("info nothing").fails(1, &["nothing: there is no such file"]);
}
