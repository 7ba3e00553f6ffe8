use crate::workspace::Workspace;

#[test]
fn faces_are_written_once_each_and_depend_on_the_seed() {
    let workspace = Workspace::new();
    workspace.run("demo-data a/b --count 12 --seed 7 --size 48 --threads 1").succeeds();
    workspace.run("demo-data again --count 3 --seed 7 --size 48 --threads 2").succeeds();
    workspace.run("demo-data other --count 3 --seed 8 --size 48").succeeds();
    assert_eq!(workspace.names("a/b").len(), 12);
    assert_eq!(workspace.names("again"), ["00000.png", "00001.png", "00002.png"]);
    let face = workspace.png("again/00002.png");
    assert_eq!((face.width, face.height, face.channels), (48, 48, 3));
    for name in workspace.names("again") {
        assert!(workspace.read(&format!("again/{name}")) == workspace.read(&format!("a/b/{name}")), "{name}");
        assert!(workspace.read(&format!("again/{name}")) != workspace.read(&format!("other/{name}")), "{name}");
    }
}

#[test]
fn json_says_what_was_written() {
    let workspace = Workspace::new();
    let answer = workspace.run("demo-data faces --count 3 --seed 7 --size 32 --json").succeeds();
    let json: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    let expected = serde_json::json!({
        "folder": "faces", "files": 3, "first": "00000.png", "last": "00002.png", "size": 32, "seed": 7
    });
    assert_eq!(json, expected);
    assert!(workspace.run("demo-data more --count 1").succeeds().stdout.is_empty());
}

#[test]
fn nothing_is_overwritten() {
    let workspace = Workspace::new();
    workspace.write("full/note.txt", "mine");
    workspace.run("demo-data full --count 2").fails(1, &["\"full\" is not empty"]);
    assert_eq!(workspace.names("full"), ["note.txt"]);
    workspace.run("demo-data full/note.txt --count 2").fails(1, &["cannot write to \"full/note.txt\""]);
    workspace.run("demo-data new --count 0").fails(2, &["--count 0", "1 or more"]);
    workspace.run("demo-data new --size 4").fails(2, &["--size 4", "16 to 1024"]);
    assert!(!workspace.path("new").exists());
}
