//! The page and its service: the real program on a free port.

use crate::workspace::{TINY, Workspace};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A running `dcgan serve`, or `dcgan train --serve`.
struct Server {
    process: Child,
    /// Where it listens, such as `127.0.0.1:40000`.
    address: String,
    /// The rest of the page's address.
    page: String,
    lines: Receiver<String>,
}

/// A process that does not outlive a test, however that ends.
#[cfg(unix)]
struct KillOnDrop(Child);

#[cfg(unix)]
impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What was answered.
#[derive(Debug)]
struct Response {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Response {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let (address, page) = page_address(&lines);
        Self { process, address, page, lines }
    }

    /// `dcgan serve` with these arguments on a free port.
    fn new(workspace: &Workspace, line: &str) -> Self {
        Self::start(workspace.command(&format!("serve {line} --port 0")))
    }

    fn connect(&self) -> TcpStream {
        connect(&self.address)
    }

    /// Sends a request as it is.
    fn send(&self, request: &[u8]) -> Response {
        send(&self.address, request)
    }

    /// A GET with further lines of the head.
    fn get_with(&self, path: &str, lines: &str) -> Response {
        get_with(&self.address, path, lines)
    }

    fn get(&self, path: &str) -> Response {
        self.get_with(path, "")
    }

    fn post(&self, path: &str, body: &str) -> Response {
        post(&self.address, path, body)
    }

    /// A POST with these lines in the head.
    fn post_with(&self, path: &str, body: &str, lines: &str) -> Response {
        post_with(&self.address, path, body, lines)
    }

    /// Tells the program to stop, and checks that it does with status 0.
    #[cfg(unix)]
    fn stop(mut self) {
        let process = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
        let begin = Instant::now();
        let status = self.process.wait().unwrap();
        assert_eq!(status.code(), Some(0));
        // Far more than the limit of the service, which is 3 seconds.
        assert!(begin.elapsed() < Duration::from_secs(60));
    }
}

/// Waits until the program says where the page is: the address, and the rest behind the slash.
fn page_address(lines: &Receiver<String>) -> (String, String) {
    let mut said = Vec::new();
    loop {
        let line = lines.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| panic!("no address: {said:?}"));
        if let Some((address, page)) = line.strip_prefix("page      http://").and_then(|url| url.split_once('/')) {
            return (address.to_owned(), page.to_owned());
        }
        said.push(line);
    }
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn send(address: &str, request: &[u8]) -> Response {
    let mut stream = connect(address);
    stream.write_all(request).unwrap();
    let mut bytes = Vec::new();
    // A service that refuses a request may close the connection while it still arrives.
    let read = stream.read_to_end(&mut bytes);
    assert!(read.is_ok() || !bytes.is_empty(), "{read:?}");
    parse(&bytes)
}

fn get(address: &str, path: &str) -> Response {
    get_with(address, path, "")
}

fn get_with(address: &str, path: &str, lines: &str) -> Response {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{lines}Connection: close\r\n\r\n");
    send(address, request.as_bytes())
}

fn post(address: &str, path: &str, body: &str) -> Response {
    post_with(address, path, body, "Content-Type: application/json\r\n")
}

fn post_with(address: &str, path: &str, body: &str, lines: &str) -> Response {
    let len = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {len}\r\n{lines}");
    send(address, format!("{head}Connection: close\r\n\r\n{body}").as_bytes())
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn parse(bytes: &[u8]) -> Response {
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_lowercase(), value.to_owned())
    };
    Response { status, headers: lines.map(header).collect(), body: bytes[end + 4..].to_vec() }
}

#[test]
fn faces_are_those_of_generate() {
    let workspace = Workspace::trained();
    for line in ["--seeds 0-4,7,-1 --out faces", "--seeds 3-12 --columns 4 --scale 2 --trunc 0.7 --out sheet.png"] {
        workspace.run(&format!("generate run {line}")).succeeds();
    }
    let server = Server::new(&workspace, "run");
    let face = server.get("/api/models/run/face.png?seed=7");
    assert_eq!((face.status, face.headers["content-type"].as_str()), (200, "image/png"));
    assert!(face.body == workspace.read("faces/seed-0007.png"));
    let last = server.get("/api/models/run/face.png?seed=-1");
    assert!(last.body == workspace.read("faces/seed-18446744073709551615.png"));
    let sheet = server.get("/api/models/run/faces.png?seeds=3-12&columns=4&scale=2&trunc=0.7");
    assert!(sheet.body == workspace.read("sheet.png"));
    // In whatever company, a seed has the same bytes.
    let address = &*server.address;
    thread::scope(|scope| {
        for (seed, kind) in (0..24).map(|i| (i % 5, i % 3)) {
            let workspace = &workspace;
            scope.spawn(move || {
                let response = match kind {
                    0 => get(address, "/api/models/run/faces.png?seeds=0-99"),
                    1 => get(address, &format!("/api/models/run/face.png?seed={seed}")),
                    _ => post(address, "/api/models/run/draw", &format!("{{\"points\": [{{\"seed\": {seed}}}]}}")),
                };
                assert_eq!(response.status, 200);
                let is_same = response.body == workspace.read(&format!("faces/seed-000{seed}.png"));
                assert!(kind == 0 || is_same, "seed {seed}");
            });
        }
    });
    // The noise of a point draws it again.
    let point = r#"{"points": [{"mix": [{"seed": 1}, {"seed": 2}], "weights": [1, 2], "directions": {"0": 1.5}}], "format": "FORMAT"}"#;
    let draw = |format: &str| server.post("/api/models/run/draw", &point.replace("FORMAT", format)).body;
    workspace.write("noise.npy", draw("npy"));
    workspace.run("generate run --latents noise.npy --out again").succeeds();
    assert!(workspace.read("again/face-0000.png") == draw("png"));
    assert!(draw("gif").starts_with(b"GIF89a"));
}

#[test]
fn a_seeds_face_is_kept_by_its_tag() {
    let workspace = Workspace::trained();
    let server = Server::new(&workspace, "--model run/generator.safetensors");
    assert_eq!(server.get("/api/models").json()["models"][0], "generator");
    assert_eq!(server.get("/api/runs").json()["runs"].as_array().map(Vec::len), Some(0), "only the model is shown");
    let facts = server.get("/api/models/generator").json();
    let fingerprint = facts["fingerprint"].as_str().unwrap();
    assert_eq!((facts["latent_dim"].as_u64(), facts["direction_gains"].as_array().map(Vec::len)), (Some(4), Some(4)));
    let path = "/api/models/generator/face.png?seed=3";
    let face = server.get(path);
    assert_eq!(face.headers["cache-control"], "private, no-cache");
    let tag = &face.headers["etag"];
    let known = server.get_with(path, &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((known.status, known.body.len(), &known.headers["etag"]), (304, 0, tag));
    assert_eq!(server.get_with(path, "If-None-Match: \"other\"\r\n").status, 200);
    assert_ne!(&server.get("/api/models/generator/face.png?seed=4").headers["etag"], tag);
    let forever = server.get(&format!("{path}&v={fingerprint}"));
    assert_eq!(forever.headers["cache-control"], "private, max-age=31536000, immutable");
    let of_other_weights = server.get(&format!("{path}&v=0123"));
    assert_eq!(of_other_weights.headers["cache-control"], "private, no-cache");
}

#[test]
fn a_run_is_told() {
    let workspace = Workspace::new();
    for name in ["0000-a", "0001-b"] {
        workspace.run(&format!("train --demo {TINY} --evaluate-every 1 --out runs/{name}")).succeeds();
    }
    let server = Server::new(&workspace, "");
    assert_eq!(server.get("/healthz").text(), "ok\n");
    let runs = server.get("/api/runs").json();
    assert_eq!((&runs["runs"][0]["id"], &runs["runs"][1]["id"]), (&"0001-b".into(), &"0000-a".into()), "newest first");
    let run = server.get("/api/runs/0001-b").json();
    assert_eq!((&run["state"], &run["step"], &run["steps"]), (&"finished".into(), &6.into(), &6.into()));
    assert_eq!(run["samples"], serde_json::json!([0, 1, 2]));
    assert_eq!((run["sessions"].as_array().map(Vec::len), &run["data_report"]["pictures"]), (Some(1), &24.into()));
    assert_eq!(run["health_history"].as_array().map(Vec::len), Some(2));
    assert!(run["config"].as_str().unwrap().contains("epochs = 2"));
    assert_eq!(run["best"], "0001-b@best");
    assert_eq!(server.get("/api/models/0001-b@best/face.png").status, 200);

    let metrics = server.get("/api/runs/0001-b/metrics?after=2").json();
    assert_eq!(metrics["step"], serde_json::json!([3, 4, 5, 6]));
    assert_eq!((metrics["evaluations"].as_array().map(Vec::len), &metrics["steps_per_point"]), (Some(2), &1.into()));
    let coarse = server.get("/api/runs/0001-b/metrics?points=2").json();
    assert_eq!((coarse["step"].clone(), &coarse["steps_per_point"]), (serde_json::json!([3, 6]), &3.into()));
    let g_loss = &coarse["series"]["g_loss"];
    assert!(g_loss["min"][0].as_f64() <= g_loss["mean"][0].as_f64());

    for (path, file) in [("samples/2.png", "samples/epoch-0002.png"), ("data.png", "data.png")] {
        let picture = server.get(&format!("/api/runs/0001-b/{path}"));
        assert!(picture.body == workspace.read(&format!("runs/0001-b/{file}")), "{path}");
        let tag = format!("If-None-Match: {}\r\n", picture.headers["etag"]);
        assert_eq!(server.get_with(&format!("/api/runs/0001-b/{path}"), &tag).status, 304);
    }
    let page = server.get("/").text();
    let script = page.split('"').find(|part| part.ends_with("/app.js")).unwrap();
    let asset = server.get(script);
    assert!(asset.headers["cache-control"].contains("immutable") && asset.text().contains("dcgan"));
    assert_eq!(server.get("/openapi.json").json()["openapi"], "3.1.0");
    server.get("/api/models/0000-a/face.png");
    let counters = server.get("/metrics").text();
    assert!(counters.contains("dcgan_faces_total 2\n"), "{counters}");
}

/// Reads events until one has this name and its text contains `words`.
fn wait_for(stream: &mut impl BufRead, name: &str, words: &str) -> String {
    let mut event = String::new();
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream has ended; last event: {event}");
        // The lengths of chunks stand between the events.
        event += &line;
        if line == "\n" || line == "\r\n" {
            if event.contains(&format!("event: {name}\n")) && event.contains(words) {
                return event;
            }
            event.clear();
        }
    }
}

#[cfg(unix)]
#[test]
fn a_run_is_followed_while_it_trains() {
    let workspace = Workspace::new();
    let endless = TINY.replace("--epochs 2", "--epochs 100000");
    let training = workspace.command(&format!("train --demo {endless} --out runs/0000-live --quiet")).spawn();
    let mut training = KillOnDrop(training.unwrap());
    while !workspace.path("runs/0000-live/config.toml").exists() {
        assert!(training.0.try_wait().unwrap().is_none());
        thread::sleep(Duration::from_millis(20));
    }
    let server = Server::new(&workspace, "runs");
    while server.get("/api/runs/0000-live").json()["step"].as_u64() < Some(5) {
        thread::sleep(Duration::from_millis(50));
    }
    let stream = server.connect();
    let address = &server.address;
    let head = format!("GET /api/runs/0000-live/events HTTP/1.1\r\nHost: {address}\r\nLast-Event-ID: 4\r\n\r\n");
    (&stream).write_all(head.as_bytes()).unwrap();
    let mut events = BufReader::new(stream);
    assert!(wait_for(&mut events, "run", "").contains("\"state\":\"running\""));
    let first = wait_for(&mut events, "metrics", "");
    assert!(first.contains("\"step\":[5,"), "it begins after the last event: {first}");
    wait_for(&mut events, "metrics", "");
    // The server only looks on: the training ends as if it were alone.
    assert!(Command::new("kill").args(["-INT", &training.0.id().to_string()]).status().unwrap().success());
    assert_eq!(training.0.wait().unwrap().code(), Some(130));
    wait_for(&mut events, "run", "\"state\":\"stopped\"");
    // The open stream does not hold up the end.
    server.stop();
    let mut rest = Vec::new();
    events.read_to_end(&mut rest).unwrap();
}

#[test]
fn train_serves_its_run() {
    let workspace = Workspace::new();
    let endless = TINY.replace("--epochs 2", "--epochs 100000");
    let server = Server::start(workspace.command(&format!("train --demo {endless} --out my-runs/first --serve")));
    assert_eq!(server.page, "#/run/first");
    let begin = Instant::now();
    let mut step = 0;
    while step < 6 {
        assert!(begin.elapsed() < Duration::from_secs(60));
        let run = server.get("/api/runs/first").json();
        assert_eq!(run["state"], "running");
        step = run["step"].as_u64().unwrap();
    }
    assert!(server.lines.try_iter().all(|line| !line.starts_with("warning")));
}

#[test]
fn strangers_are_refused() {
    let workspace = Workspace::trained();
    fs::create_dir(workspace.path("runs")).unwrap();
    fs::rename(workspace.path("run"), workspace.path("runs/run")).unwrap();
    workspace.write("secret/config.toml", "");
    workspace.write("runs/secret.png", "secret");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(workspace.path("secret"), workspace.path("runs/link")).unwrap();
        let sample = workspace.path("runs/run/samples/epoch-0009.png");
        std::os::unix::fs::symlink(workspace.path("secret/config.toml"), sample).unwrap();
    }
    let server = Server::new(&workspace, "runs --allow-host faces.example.org");
    let address = &server.address;
    let with_host = |host: &str| server.send(format!("GET / HTTP/1.1\r\n{host}Connection: close\r\n\r\n").as_bytes());
    for host in ["Host: evil.example\r\n", "Host: localhost\r\n", "Host: 127.0.0.1:1\r\n", ""] {
        assert!(matches!(with_host(host).status, 400 | 403), "{host}");
    }
    let port = address.rsplit(':').next().unwrap();
    for host in [address.clone(), format!("localhost:{port}"), "faces.example.org".to_owned()] {
        let response = with_host(&format!("Host: {host}\r\n"));
        assert_eq!(response.status, 200, "{host}");
        for (name, value) in [
            ("content-security-policy", "default-src 'self'"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert!(response.headers[name].contains(value), "{name}");
        }
        assert!(!response.headers.contains_key("access-control-allow-origin"));
    }
    // Paths that lead out of the folder.
    for path in [
        "/api/runs/..%2fsecret",
        "/api/runs/%2e%2e",
        "/api/runs/../../secret",
        "/api/runs/link",
        "/api/runs/link/data.png",
        "/api/runs/run/samples/..%2f..%2f..%2fsecret.png",
        "/api/runs/run/samples/9.png",
        "/api/runs/run/samples/1e3.png",
        "/assets/x/..%2f..%2fCargo.toml",
        "/api/models/..%2fsecret/face.png",
        "/api/runs/run%00",
        "/etc/passwd",
    ] {
        let response = server.get(path);
        assert_eq!(response.status, 404, "{path}");
        assert!(!response.text().contains("secret\n"), "{path}");
    }
    // Requests that another site has caused.
    let draw = "/api/models/run/draw";
    let body = r#"{"points": [{"seed": 1}]}"#;
    let json = "Content-Type: application/json\r\n";
    assert_eq!(server.post(draw, body).status, 200);
    assert_eq!(server.post_with(draw, body, &format!("{json}Origin: http://{address}\r\n")).status, 200);
    assert_eq!(server.post_with(draw, body, &format!("{json}Origin: http://evil.example\r\n")).status, 403);
    assert_eq!(server.post_with(draw, body, &format!("{json}Sec-Fetch-Site: cross-site\r\n")).status, 403);
    assert_eq!(server.post_with(draw, body, "Content-Type: text/plain\r\n").status, 415);
    // More than there may be.
    let long = format!(r#"{{"points": [{{"noise": [{}]}}]}}"#, vec!["0.5"; 100_000].join(","));
    assert_eq!(server.post(draw, &long).status, 413);
    for (body, words) in [
        ("{", "the body"),
        (r#"{"points": []}"#, "from 1 to 1024"),
        (r#"{"points": [{"seed": 1}], "scale": 33}"#, "from 1 to 32"),
        (r#"{"points": [{"noise": [1]}]}"#, "takes 4"),
        (r#"{"points": [{"seed": 1}], "format": "exe"}"#, "unknown variant"),
        (r#"{"points": [{"seed": 1}, {"seed": 2}], "format": "gif", "frames": 121}"#, "from 1 to 120"),
    ] {
        let response = server.post(draw, body);
        assert_eq!(response.status, 400, "{body}");
        assert!(response.json()["error"].as_str().unwrap().contains(words), "{body}: {}", response.text());
    }
    for query in
        ["seeds=0-1024", "seeds=5-1", "scale=0", "columns=0", "trunc=11", "seeds=0-1023&scale=32", "x=1", "trunc=nan"]
    {
        let response = server.get(&format!("/api/models/run/faces.png?{query}"));
        assert_eq!(response.status, 400, "{query}");
    }
    for method in ["PUT", "DELETE", "POST", "OPTIONS", "TRACE"] {
        let request =
            format!("{method} /api/runs HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        assert_eq!(server.send(request.as_bytes()).status, 405, "{method}");
    }
    let long_head = format!("X: {}\r\n", "x".repeat(40_000));
    assert_eq!(server.get_with("/", &long_head).status, 431);
    // Whatever came: it still answers.
    assert_eq!(server.get("/api/runs/run/samples/1.png").status, 200);
}

#[test]
fn off_the_loopback_interface_a_token_is_needed() {
    let workspace = Workspace::trained();
    let mut server = Server::new(&workspace, "run --host 0.0.0.0");
    let token = server.page.strip_prefix("?token=").expect("a token").to_owned();
    let port = server.address.rsplit(':').next().unwrap().to_owned();
    server.address = format!("127.0.0.1:{port}");
    assert_eq!(server.get("/").status, 401);
    assert_eq!(server.get("/api/runs").status, 401);
    assert_eq!(server.get("/api/models/run/face.png?seed=1").status, 401);
    assert_eq!(server.get("/?token=0123").status, 401);
    assert_eq!(server.get("/healthz").status, 200);
    let welcome = server.get(&format!("/?token={token}"));
    let cookie = &welcome.headers["set-cookie"];
    assert!(cookie.contains("SameSite=Strict") && cookie.contains("HttpOnly"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(server.get_with("/api/runs", &format!("Cookie: {cookie}\r\n")).status, 200);
    assert_eq!(server.get_with("/api/runs", &format!("Authorization: Bearer {token}\r\n")).status, 200);
}

#[test]
fn slow_clients_are_let_go() {
    let workspace = Workspace::trained();
    let server = Server::new(&workspace, "run");
    // Heads that never end, on many connections.
    let mut slow: Vec<TcpStream> = (0..200).map(|_| server.connect()).collect();
    // The last one says nothing at all.
    for stream in &mut slow[..199] {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
    }
    assert_eq!(server.get("/healthz").status, 200, "others are answered");
    for stream in [0, 199] {
        let mut rest = Vec::new();
        slow[stream].read_to_end(&mut rest).unwrap();
    }
    // A body that never ends.
    let mut stream = server.connect();
    let (address, json) = (&server.address, "Content-Type: application/json\r\n");
    let head = format!("POST /api/models/run/draw HTTP/1.1\r\nHost: {address}\r\n{json}Content-Length: 100\r\n\r\n{{");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(parse(&answer).status, 408);
}

#[test]
fn mistakes_are_explained() {
    let workspace = Workspace::trained();
    workspace.run("serve missing --port 0").fails(2, &["missing", "folder of runs"]);
    workspace.run("serve --model missing.pt --port 0").fails(2, &["missing.pt"]);
    workspace.write("no.pt", "no model");
    workspace.run("serve --model no.pt --port 0").fails(1, &["no.pt"]);
    workspace.run("serve run --host no.such.host.invalid --port 0").fails(1, &["--host no.such.host.invalid"]);
    let server = Server::new(&workspace, "run");
    let port = server.address.rsplit(':').next().unwrap();
    workspace.run(&format!("serve run --port {port}")).fails(2, &["another program uses it", "--port 0"]);
    workspace.run("report missing").fails(1, &["missing"]);
}

#[test]
fn a_report_is_one_file() {
    let workspace = Workspace::trained();
    workspace.run("report run --out report.html").succeeds();
    let report = String::from_utf8(workspace.read("report.html")).unwrap();
    assert!(report.contains("default-src 'none'") && report.contains("data:image/png;base64,"));
    assert!(report.contains("\"id\":\"run\"") && report.contains("\"g_loss\""));
    workspace.run("report run --out report.html").fails(2, &["report.html", "--force"]);
    workspace.run("report run --out report.html --force").succeeds();
}
