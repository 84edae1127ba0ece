//! exec, attach, cp and port-forward through a grant: as they behave directly,
//! over both of kubectl's protocols, and told why when they are cut.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use brevet_testkit::{Cluster, Options, Part};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    task::JoinSet,
};

use crate::{
    PATIENCE, cluster, granted, hands,
    knock::{self, Protocol, Shown},
    made::{self, Ask, Made},
    server, start,
    streams::{check_in_time, cuts},
    through,
};

/// What kubectl speaks; by itself it falls back to the second where the first is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    WebSocket,
    Spdy,
}

const BOTH: [Over; 2] = [Over::WebSocket, Over::Spdy];

/// kubectl itself needs a moment to go, once told.
const GONE_WITHIN: Duration = Duration::from_secs(2);

fn debug(seconds: i64) -> Ask {
    let rules = vec![
        ("", vec!["pods"], vec!["get", "list", "watch"], vec![]),
        ("", vec!["pods/exec", "pods/attach"], vec!["get", "create"], vec![]),
        ("", vec!["pods/portforward"], vec!["get", "create"], vec![]),
    ];
    Ask { role: "debug-pod", rules, ..Ask::logs("shop", seconds) }
}

fn kubectl(cluster: &Cluster, made: &Made, over: Over, args: &[&str]) -> Command {
    let server = server(cluster, made);
    let mut command =
        cluster.user("alice").kubectl_command(&[&[server.as_str(), "-n", "shop"], args].concat()).unwrap();
    let is_websocket = if over == Over::WebSocket { "true" } else { "false" };
    command.env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", is_websocket);
    command.env("KUBECTL_PORT_FORWARD_WEBSOCKETS", is_websocket);
    command
}

/// Exit code, output and errors of a kubectl that reads `input`.
async fn run(made: &Made, over: Over, args: &[&str], input: Option<&[u8]>) -> (i32, Vec<u8>, String) {
    let mut command = kubectl(cluster().await, made, over, args);
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.spawn().unwrap();
    let pipe = child.stdin.take();
    let write = async {
        if let (Some(mut pipe), Some(input)) = (pipe, input) {
            pipe.write_all(input).await.unwrap();
        }
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), write);
    let output = output.unwrap();
    (output.status.code().unwrap(), output.stdout, String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn commands_run_as_they_do_directly() {
    let made = granted(cluster().await, &debug(600)).await;
    for over in BOTH {
        let sh = |script: &'static str| ["exec", "-i", "web-1", "--", "sh", "-c", script];
        let (code, out, err) = run(&made, over, &sh("echo out; echo err >&2"), None).await;
        assert_eq!((code, out.as_slice(), err.as_str()), (0, &b"out\n"[..], "err\n"), "{over:?}");
        for (script, expected) in [("exit 3", 3), ("exit 127", 127), ("exit 255", 255)] {
            assert_eq!(run(&made, over, &sh(script), None).await.0, expected, "{over:?}: {script}");
        }
        // The end of the input reaches the command, and nothing is lost before it.
        let (code, out, err) = run(&made, over, &sh("cat; echo end"), Some(b"x\n")).await;
        assert_eq!((code, out.as_slice()), (0, &b"x\nend\n"[..]), "{over:?}: {err}");
        let big: Vec<u8> = (0..5_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let (code, out, err) = run(&made, over, &sh("cat"), Some(&big)).await;
        assert!(code == 0 && out == big, "{over:?}: {code}, {} bytes: {err}", out.len());
    }
}

#[tokio::test]
async fn files_are_copied_both_ways() {
    let cluster = cluster().await;
    let made = granted(cluster, &debug(600)).await;
    let folder = cluster.user("alice").home().join("copies");
    std::fs::create_dir_all(&folder).unwrap();
    let (here, back) = (folder.join("here"), folder.join("back"));
    std::fs::write(&here, vec![42; 3_000_000]).unwrap();
    for over in BOTH {
        // Pods of this cluster share the host's folders.
        let there = format!("web-1:{}", folder.join("there").display());
        for (from, to) in [(here.to_str().unwrap(), there.as_str()), (&there, back.to_str().unwrap())] {
            let (code, _, err) = run(&made, over, &["cp", from, to], None).await;
            assert_eq!(code, 0, "{over:?}: {from} {to}: {err}");
        }
        assert!(std::fs::read(&back).unwrap() == std::fs::read(&here).unwrap(), "{over:?}");
        std::fs::remove_file(&back).unwrap();
    }
}

/// A port-forward that listens, to the echo of the pod.
async fn forwarding(made: &Made, over: Over) -> (Child, BufReader<ChildStdout>, u16) {
    let mut child = kubectl(cluster().await, made, over, &["port-forward", "web-1", ":7"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).await.unwrap();
    // Forwarding from 127.0.0.1:41234 -> 7
    let port = line.split_once("127.0.0.1:").and_then(|(_, rest)| rest.split_once(' ')).map(|(port, _)| port.parse());
    (child, lines, port.unwrap_or_else(|| panic!("{line}")).unwrap())
}

async fn echoes(connection: &mut TcpStream, text: &[u8]) {
    connection.write_all(text).await.unwrap();
    let mut back = vec![0; text.len()];
    connection.read_exact(&mut back).await.unwrap();
    assert_eq!(back, text);
}

#[tokio::test]
async fn a_port_is_forwarded_for_several_at_once() {
    let made = granted(cluster().await, &debug(600)).await;
    for over in BOTH {
        let (_child, _lines, port) = forwarding(&made, over).await;
        let mut open = Vec::new();
        for number in 0..5 {
            let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            echoes(&mut connection, format!("one-{number}").as_bytes()).await;
            open.push(connection);
        }
        for connection in &mut open {
            echoes(connection, b"two").await;
        }
        drop(open);
        let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (mut reads, mut writes) = connection.split();
        let sent = vec![7; 2_000_000];
        let mut back = Vec::new();
        let write = async {
            writes.write_all(&sent).await.unwrap();
            writes.shutdown().await.unwrap();
        };
        let ((), read) = tokio::join!(write, reads.read_to_end(&mut back));
        assert_eq!((read.unwrap(), back == sent), (sent.len(), true), "{over:?}");
    }
}

/// A kubectl that runs, past its first line of output. What it says further is read at once.
struct Running {
    what: String,
    child: Child,
    reading: JoinSet<()>,
}

impl Running {
    async fn start(cluster: &Cluster, made: &Made, over: Over, input: Stdio, args: &[&str]) -> Self {
        let mut child = kubectl(cluster, made, over, args).stdin(input).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).await.unwrap();
        assert!(!line.is_empty(), "{over:?} {args:?} says nothing");
        Self::past_first_line(format!("{over:?} {args:?}"), child, out)
    }

    fn past_first_line(what: String, child: Child, mut out: BufReader<ChildStdout>) -> Self {
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            tokio::io::copy_buf(&mut out, &mut tokio::io::sink()).await.unwrap();
        });
        Self { what, child, reading }
    }

    /// Exit code and errors, and when it was gone.
    async fn end(mut self) -> (String, i32, String, jiff::Timestamp) {
        let mut errors = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        let (status, read) = tokio::join!(self.child.wait(), stderr.read_to_string(&mut errors));
        let gone = made::now();
        read.unwrap();
        self.reading.join_next().await.unwrap().unwrap();
        (self.what, status.unwrap().code().unwrap(), errors, gone)
    }
}

/// Input without end.
fn endless() -> Stdio {
    std::fs::File::open("/dev/zero").unwrap().into()
}

#[tokio::test]
async fn whatever_is_open_is_told_of_a_revocation() {
    let cluster = cluster().await;
    let made = granted(cluster, &debug(600)).await;
    let (mut running, mut forwards) = (Vec::new(), Vec::new());
    for over in BOTH {
        let sh = |script: &'static str| ["exec", "-i", "web-1", "--", "sh", "-c", script];
        for (input, args) in [
            (Stdio::null(), &sh("echo on; sleep 600")[..]),
            (Stdio::null(), &sh("yes")),
            (endless(), &sh("echo on; cat >/dev/null")),
            (endless(), &sh("echo on; cat")),
            (Stdio::piped(), &["exec", "-it", "web-1", "--", "sh", "-c", "echo on; sleep 600"]),
        ] {
            running.push(Running::start(cluster, &made, over, input, args).await);
        }
        let (child, out, port) = forwarding(&made, over).await;
        let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        echoes(&mut connection, b"on").await;
        forwards.push((Running::past_first_line(format!("{over:?} port-forward"), child, out), connection));
    }

    made::end(&hands(cluster).await, &made, "Revoked").await.unwrap();
    let ended = Instant::now();

    let says = |errors: &str| {
        errors.contains(&format!("grant `{}` ended at", made.name))
            && errors.contains("(Revoked); ask again: kubectl brevet request debug-pod -n shop")
    };
    let all = futures::future::join_all(running.into_iter().map(Running::end)).await;
    for (what, code, errors, _) in all {
        assert_eq!(code, 1, "{what}: {errors}");
        assert!(says(&errors), "{what}: {errors}");
    }
    for (forward, mut connection) in forwards {
        let (what, code, errors, _) = forward.end().await;
        assert_eq!(code, 1, "{what}: {errors}");
        assert!(says(&errors) && errors.contains("lost connection to pod"), "{what}: {errors}");
        assert!(!matches!(connection.read(&mut [0; 1]).await, Ok(1)));
    }
    assert!(ended.elapsed() < PATIENCE);
    for cut in cuts(cluster, &made, 12).await {
        assert_eq!((&cut["told"], &cut["cut"]), (&json!("words"), &json!("Revoked")), "{cut}");
    }
}

#[tokio::test]
async fn an_open_shell_ends_at_the_deadline() {
    let cluster = cluster().await;
    let made = granted(cluster, &debug(8)).await;
    let mut running = Vec::new();
    for over in BOTH {
        for script in ["echo on; sleep 600", "yes"] {
            let args = ["exec", "web-1", "--", "sh", "-c", script];
            running.push(Running::start(cluster, &made, over, Stdio::null(), &args).await);
        }
    }
    let all = futures::future::join_all(running.into_iter().map(Running::end)).await;
    for (what, code, errors, gone) in all {
        assert_eq!(code, 1, "{what}: {errors}");
        assert!(errors.contains(&format!("grant `{}` ended at {}", made.name, made.not_after)), "{what}: {errors}");
        let late = gone.duration_since(made.not_after);
        assert!(!late.is_negative() && late.unsigned_abs() < GONE_WITHIN, "{what} ended {late:?} after the deadline");
    }
    for cut in cuts(cluster, &made, 4).await {
        check_in_time(&cut, &made);
        assert_eq!((&cut["told"], &cut["is_stream"]), (&json!("words"), &json!(true)), "{cut}");
    }
}

#[tokio::test]
async fn an_open_shell_is_told_when_its_gateway_stops() {
    let cluster = start(Options::default()).await;
    let made = granted(&cluster, &debug(600)).await;
    let mut running = Vec::new();
    for over in BOTH {
        let args = ["exec", "web-1", "--", "sh", "-c", "echo on; sleep 600"];
        running.push(Running::start(&cluster, &made, over, Stdio::null(), &args).await);
    }

    cluster.brevet().unwrap().stop(Part::Gateway).unwrap();

    for (what, code, errors, _) in futures::future::join_all(running.into_iter().map(Running::end)).await {
        assert_eq!(code, 1, "{what}: {errors}");
        assert!(errors.contains("the grant stands: try again"), "{what}: {errors}");
    }
    for cut in cuts(&cluster, &made, 2).await {
        assert_eq!((&cut["told"], &cut["cut"]), (&json!("words"), &json!("Stopping")), "{cut}");
    }
}

/// The head of an upgrade by hand, past the front proxy.
fn upgrade(made: &Made, method: &str, inner: &str, headers: &[&str]) -> String {
    let path = through(made, inner);
    let headers = headers.join("\r\n");
    format!(
        "{method} {path} HTTP/1.1\r\nhost: gateway\r\nx-remote-user: alice\r\nconnection: Upgrade\r\n{headers}\r\n\r\n"
    )
}

const WEBSOCKET: [&str; 3] =
    ["upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="];

/// Sends `head` and reads the head of the answer; what follows it stays in the connection.
async fn answer(cluster: &Cluster, head: &str) -> (tokio_rustls::client::TlsStream<TcpStream>, String) {
    let mut stream = knock::tls(cluster, &Shown::FrontProxy, Protocol::Http1).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    (stream, String::from_utf8(answer).unwrap())
}

#[tokio::test]
async fn a_shell_that_is_not_read_is_reset_in_time() {
    let cluster = cluster().await;
    let made = granted(cluster, &debug(6)).await;
    let inner = "/api/v1/namespaces/shop/pods/web-1/exec?command=yes&stdout=1";
    let offers = [&WEBSOCKET[..], &["sec-websocket-protocol: v5.channel.k8s.io"]].concat();
    let (mut stream, head) = answer(cluster, &upgrade(&made, "GET", inner, &offers)).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");

    // The receipt is written while we do not read.
    let cut = cuts(cluster, &made, 1).await.remove(0);
    check_in_time(&cut, &made);
    assert_eq!((&cut["told"], &cut["cut"]), (&json!("stalled"), &json!("Expired")), "{cut}");

    let (mut after, mut buffer) = (0, vec![0; 64 * 1024]);
    let error = loop {
        match stream.read(&mut buffer).await {
            Ok(0) => panic!("an end that looks whole"),
            Ok(read) => after += read,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    assert!(after < 200_000, "{after} bytes after the cut, more than our own kernel held");
}

#[tokio::test]
async fn what_is_sent_after_the_end_goes_nowhere_and_the_connection_goes_too() {
    let cluster = cluster().await;
    let made = granted(cluster, &debug(600)).await;
    let file = cluster.user("alice").home().join("written");
    std::fs::create_dir_all(cluster.user("alice").home()).unwrap();
    let inner = format!(
        "/api/v1/namespaces/shop/pods/web-1/exec?command=tee&command={}&stdin=1&stdout=1",
        file.to_str().unwrap().replace('/', "%2F")
    );
    let offers = [&WEBSOCKET[..], &["sec-websocket-protocol: v5.channel.k8s.io"]].concat();
    let (mut stream, head) = answer(cluster, &upgrade(&made, "GET", &inner, &offers)).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    // Final, binary, masked with nothing: channel 0 and four bytes.
    let message = |text: &[u8; 4]| [&[0x82, 0x85, 0, 0, 0, 0, 0][..], text].concat();
    stream.write_all(&message(b"yes\n")).await.unwrap();
    let mut echoed = Vec::new();
    while !echoed.ends_with(b"yes\n") {
        echoed.push(stream.read_u8().await.unwrap());
    }

    made::end(&hands(cluster).await, &made, "Released").await.unwrap();
    cuts(cluster, &made, 1).await;
    let before = Instant::now();
    let mut words = Vec::new();
    let mut buffer = [0; 1024];
    // Sends on and on, and never leaves by itself.
    loop {
        // Fails once we are reset; what was said before can still be read.
        stream.write_all(&message(b"no!\n")).await.ok();
        match tokio::time::timeout(Duration::from_millis(20), stream.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(read)) => words.extend_from_slice(&buffer[..read]),
            Err(_) => {}
        }
        assert!(before.elapsed() < PATIENCE, "still connected");
    }
    let words = String::from_utf8_lossy(&words).into_owned();
    assert!(words.contains(&format!("grant `{}` ended at", made.name)) && words.contains("(Released)"), "{words}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "yes\n");
}

#[tokio::test]
async fn only_a_switch_of_protocols_opens_a_tunnel() {
    let cluster = cluster().await;
    let made = granted(cluster, &debug(600)).await;
    // kube-apiserver says no: its own answer, and the end of the connection.
    let inner = "/api/v1/namespaces/shop/pods/none/exec?command=ls&stdout=1";
    let offers = [&WEBSOCKET[..], &["sec-websocket-protocol: v5.channel.k8s.io"]].concat();
    for (method, headers) in [("GET", &offers[..]), ("POST", &["upgrade: SPDY/3.1", "content-length: 0"])] {
        let (mut stream, head) = answer(cluster, &upgrade(&made, method, inner, headers)).await;
        assert!(head.starts_with("HTTP/1.1 404"), "{head}");
        assert!(head.contains("connection: close"), "{head}");
        let mut rest = Vec::new();
        // Closed without a farewell of TLS: the answer says how long it is.
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap().ok();
        assert!(String::from_utf8_lossy(&rest).contains("pods \\\"none\\\" not found"), "{rest:?}");
    }
    // kube-apiserver pays no heed: an ordinary answer.
    let (_, head) = answer(cluster, &upgrade(&made, "GET", "/api/v1/namespaces/shop/pods", &WEBSOCKET)).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    // What we do not speak is not asked for.
    let inner = "/api/v1/namespaces/shop/pods/web-1/exec?command=ls&stdout=1";
    for headers in [&["upgrade: h2c"][..], &["upgrade: websocket, h2c"], &["upgrade: websocket", "upgrade: SPDY/3.1"]] {
        let (_, head) = answer(cluster, &upgrade(&made, "GET", inner, headers)).await;
        assert!(head.starts_with("HTTP/1.1 501"), "{headers:?}: {head}");
    }
}

#[tokio::test]
async fn a_watch_over_websocket_is_closed_with_the_reason() {
    let cluster = cluster().await;
    let made = granted(cluster, &debug(600)).await;
    let inner = "/api/v1/namespaces/shop/pods?watch=1";
    let headers = [&WEBSOCKET[..], &["origin: https://gateway"]].concat();
    let (mut stream, head) = answer(cluster, &upgrade(&made, "GET", inner, &headers)).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    made::end(&hands(cluster).await, &made, "Revoked").await.unwrap();
    let mut said = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap().ok();
    // A close frame with the code 1008 and as much of the sentence as it may hold.
    let reason = format!("grant `{}` ended at", made.name);
    let at = said.windows(reason.len()).rposition(|window| window == reason.as_bytes()).unwrap();
    assert_eq!(said[at - 4..at], [0x88, 125, 0x03, 0xf0]);
    assert_eq!(said.len(), at + 123);
}

#[tokio::test]
async fn a_token_among_the_subprotocols_is_nobody() {
    let cluster = cluster().await;
    let made = granted(cluster, &debug(600)).await;
    let inner = "/api/v1/namespaces/shop/pods/web-1/exec?command=echo&command=hello&stdout=1";
    // kube-apiserver would answer 401 to it.
    let offer = "sec-websocket-protocol: base64url.bearer.authorization.k8s.io.bm9ib2R5, v5.channel.k8s.io";
    let (mut stream, head) = answer(cluster, &upgrade(&made, "GET", inner, &[&WEBSOCKET[..], &[offer]].concat())).await;
    assert!(head.starts_with("HTTP/1.1 101") && head.contains("v5.channel.k8s.io"), "{head}");
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.ok();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("hello") && said.contains("Success"), "{said}");
}

#[tokio::test]
async fn a_shell_takes_the_right_to_create_it() {
    let cluster = cluster().await;
    let reads = vec![("", vec!["pods", "pods/exec", "pods/attach", "pods/portforward"], vec!["get"], vec![])];
    let made = granted(cluster, &Ask { rules: reads, ..debug(600) }).await;
    for inner in ["exec?command=ls&stdout=1", "attach?stdout=1", "portforward?ports=7"] {
        let inner = format!("/api/v1/namespaces/shop/pods/web-1/{inner}");
        let (_, head) = answer(cluster, &upgrade(&made, "GET", &inner, &WEBSOCKET)).await;
        assert!(head.starts_with("HTTP/1.1 403"), "{inner}: {head}");
    }
}
