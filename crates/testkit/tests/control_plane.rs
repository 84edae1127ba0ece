//! The cluster itself: that its pods answer as pods do, and that it leaves nothing behind.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "everything here is a test")]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use brevet_testkit::{Cluster, Options, User, playground, program};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The two protocols that clients speak to streams: WebSocket and SPDY.
const PROTOCOLS: [&str; 2] = ["true", "false"];

async fn bare() -> &'static Cluster {
    static BARE: OnceCell<Cluster> = OnceCell::const_new();
    BARE.get_or_init(|| async { Cluster::start(Options { bare: true, ..Options::default() }).await.unwrap() }).await
}

fn kubectl(user: &User, websockets: &str, args: &[&str]) -> Command {
    let mut command = user.kubectl_command(args).unwrap();
    command.env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websockets);
    command.env("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets);
    command
}

async fn line(reader: &mut (impl AsyncBufReadExt + Unpin)) -> String {
    let mut line = String::new();
    timeout(PATIENCE, reader.read_line(&mut line)).await.expect("a line in time").unwrap();
    line
}

#[tokio::test]
async fn a_command_ends_with_its_own_exit_code() {
    let admin = bare().await.user("admin");
    for protocol in PROTOCOLS {
        for code in [0, 3, 255] {
            let script = format!("exit {code}");
            let args = ["exec", "-n", "shop", "web-1", "--", "sh", "-c", script.as_str()];
            let output = kubectl(&admin, protocol, &args).output().await.unwrap();
            assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[tokio::test]
async fn the_end_of_input_reaches_a_command() {
    let admin = bare().await.user("admin");
    for protocol in PROTOCOLS {
        let args = ["exec", "-i", "-n", "shop", "web-1", "--", "wc", "-c"];
        let mut child = kubectl(&admin, protocol, &args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&vec![b'x'; 300_000]).await.unwrap();
        let output = timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "300000");
    }
}

#[tokio::test]
async fn a_command_sees_nothing_of_this_machines_environment() {
    let admin = bare().await.user("admin");
    let output = admin.kubectl(&["exec", "-n", "shop", "web-1", "--", "env"]).await.unwrap();
    let mut names: Vec<_> = output.stdout.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "HOSTNAME", "PATH", "POD_NAME", "POD_NAMESPACE"]);
}

#[tokio::test]
async fn attaching_goes_both_ways() {
    let admin = bare().await.user("admin");
    for protocol in PROTOCOLS {
        let args = ["attach", "-i", "-n", "web", "api-1"];
        let mut child = kubectl(&admin, protocol, &args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"anybody there\n").await.unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut seen = Vec::new();
        while !(seen.iter().any(|line: &String| line.contains("served request"))
            && seen.contains(&"anybody there\n".to_owned()))
        {
            seen.push(line(&mut output).await);
        }
    }
}

#[tokio::test]
async fn followed_logs_grow() {
    let admin = bare().await.user("admin");
    let args = ["logs", "-f", "-n", "shop", "web-1", "--tail=2"];
    let mut child = admin.kubectl_command(&args).unwrap().spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..4 {
        assert!(line(&mut output).await.starts_with("web-1 app: served request "));
    }
}

#[tokio::test]
async fn logs_are_cut_as_asked() {
    let admin = bare().await.user("admin");
    let tail = admin.kubectl(&["logs", "-n", "shop", "web-2", "--tail=3"]).await.unwrap();
    assert_eq!(tail.stdout.lines().count(), 3, "{tail:?}");
    let bytes = admin.kubectl(&["logs", "-n", "shop", "web-2", "--limit-bytes=7"]).await.unwrap();
    assert_eq!(bytes.stdout, "web-2 a");
    let none = admin.kubectl(&["logs", "-n", "shop", "web-2", "--previous"]).await.unwrap();
    assert!(!none.success() && none.stderr.contains("previous terminated container"), "{none:?}");
}

#[tokio::test]
async fn a_forwarded_port_carries_bytes_both_ways() {
    let admin = bare().await.user("admin");
    for protocol in PROTOCOLS {
        let args = ["port-forward", "-n", "shop", "pod/web-1", ":7"];
        let mut child = kubectl(&admin, protocol, &args).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let told = line(&mut output).await;
        let address = told.strip_prefix("Forwarding from ").and_then(|rest| rest.split(' ').next()).unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        for word in [b"ping", b"pong"] {
            stream.write_all(word).await.unwrap();
            let mut echo = [0; 4];
            timeout(PATIENCE, stream.read_exact(&mut echo)).await.expect("an echo in time").unwrap();
            assert_eq!(&echo, word);
        }
    }
}

#[tokio::test]
async fn a_debug_container_starts() {
    let cluster = bare().await;
    cluster.pod("shop", "debugged").await.unwrap();
    let admin = cluster.user("admin");
    let args = ["debug", "-n", "shop", "debugged", "--image=example.com/tools:1", "-c", "tools", "--attach=false"];
    assert!(admin.kubectl(&args).await.unwrap().success());
    let args = ["exec", "-n", "shop", "debugged", "-c", "tools", "--", "true"];
    cluster
        .eventually("a command in the debug container", PATIENCE, async || {
            admin.kubectl(&args).await.unwrap().success().then_some(())
        })
        .await;
}

#[tokio::test]
async fn people_can_do_nothing_by_themselves() {
    for name in ["alice", "mallory", "bob", "carol", "dave"] {
        let output = bare().await.user(name).kubectl(&["get", "pods", "-n", "shop"]).await.unwrap();
        assert!(output.stderr.contains("Forbidden") && output.stderr.contains(name), "{output:?}");
    }
}

#[tokio::test]
async fn every_request_is_recorded() {
    let cluster = bare().await;
    cluster.user("dave").kubectl(&["get", "configmaps", "-n", "web"]).await.unwrap();
    let event = cluster
        .eventually("the record of dave's request", PATIENCE, async || {
            let events = cluster.audit_events().unwrap();
            events
                .into_iter()
                .find(|event| event.username() == "dave" && event.request_uri.contains("/namespaces/web/configmaps"))
        })
        .await;
    assert_eq!((event.verb.as_str(), event.code()), ("list", 403));
}

#[tokio::test]
async fn a_playground_outlives_its_command_and_down_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap().keep();
    let dev = async |verb: &str, more: &[&str]| {
        let program = program("brevet-dev").unwrap();
        let output = Command::new(program).arg(verb).arg("--dir").arg(&dir).args(more).output().await.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(dev("status", &[]).await.0, Some(1));
    assert_eq!(dev("up", &["--bare"]).await, (Some(0), String::new()));
    assert_eq!(dev("status", &[]).await, (Some(0), String::new()));
    let (again, why) = dev("up", &["--bare"]).await;
    assert!(again == Some(2) && why.contains("already"), "{why}");
    let processes = playground::status(&dir).unwrap().processes;
    assert_eq!(processes.len(), 5);

    assert_eq!(dev("down", &[]).await, (Some(0), String::new()));

    assert!(!processes.iter().any(playground::Process::running));
    assert!(!dir.exists());
}

#[tokio::test]
async fn a_killed_command_takes_its_cluster_along() {
    let dir: PathBuf = tempfile::tempdir().unwrap().keep();
    let mut up = Command::new(program("brevet-dev").unwrap())
        .arg("up")
        .arg("--dir")
        .arg(&dir)
        .args(["--bare", "--foreground"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(up.stdout.take().unwrap());
    while !line(&mut output).await.starts_with("Ctrl-C") {}

    up.kill().await.unwrap();

    brevet_testkit::until("the folder to be gone", PATIENCE, async || (!dir.exists()).then_some(())).await.unwrap();
}
