use crate::workspace::Workspace;

#[test]
fn each_face_stands_before_its_nearest_pictures() {
    let workspace = Workspace::trained();
    // Two generated faces are among the pictures, as if they had been learnt by heart.
    workspace.run("demo-data pictures --count 12 --size 32").succeeds();
    workspace.run("generate run --seeds 3,5 --out pictures").succeeds();
    workspace.run("generate run --seeds 3-5 --out faces").succeeds();
    let answer = workspace.run("neighbours run pictures --seeds 3,4,5 -k 4 --out new/sheet.png").succeeds();
    let rows: Vec<Vec<&str>> = answer.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((rows[1][0], rows[1][1], rows[1][2]), ("seed-0003", "0.0", "pictures/seed-0003.png"));
    assert_eq!((rows[2][0], rows[3][1], rows[3][2]), ("seed-0004", "0.0", "pictures/seed-0005.png"));
    assert!(answer.stdout.contains("Many faces are copies"), "{answer:?}");
    let sheet = workspace.png("new/sheet.png");
    assert_eq!((sheet.width, sheet.height), (5 * 34 + 2, 3 * 34 + 2));
    for (row, seed) in [3, 4, 5].into_iter().enumerate() {
        let face = workspace.png(&format!("faces/seed-{seed:04}.png"));
        assert_eq!(sheet.cut(2, 2 + row * 34, 32), face, "{seed}");
        assert_eq!(sheet.cut(36, 2 + row * 34, 32) == face, seed != 4, "{seed}");
    }
}

#[test]
fn the_report_can_be_read_by_programs() {
    let workspace = Workspace::trained();
    workspace.run("demo-data pictures --count 3 --size 32").succeeds();
    let answer = workspace.run("neighbours run pictures -n 2 --json").succeeds();
    let report: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(report["faces"].as_array().unwrap().len(), 2);
    assert_eq!(report["faces"][1]["face"], "face-0001");
    assert!(report["median_distance"].as_f64().unwrap() > 1.0);
    assert!(report["median_distance_between_pictures"].as_f64().unwrap() > 1.0);
    // Fewer pictures than were asked for.
    assert_eq!(workspace.png("neighbours.png").width, 4 * 34 + 2);
}

#[test]
fn impossible_comparisons_are_explained() {
    let workspace = Workspace::trained();
    let refusals = [
        ("run nowhere", 1, "\"nowhere\" does not exist"),
        ("missing.pt run", 1, "missing.pt: there is no such file"),
        ("run run --seeds 0-2000", 2, "too many to look at"),
        ("run run --out sheet.gif", 2, "name a .png, .jpg or .webp file"),
    ];
    for (line, status, words) in refusals {
        workspace.run(&format!("neighbours {line}")).fails(status, &[words]);
    }
}
