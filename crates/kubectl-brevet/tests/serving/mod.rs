//! A server of a few lines: it answers what the plugin asks and remembers what was created.
//!
//! Promises: nothing is judged here; whatever is posted is taken.
//!
//! Left out on purpose: everything the plugin does not ask for in these tests.

#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)] // each test uses a part of it; a panic is its failure

use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// A server that answers from a few paths and remembers what was created.
pub(crate) struct Server {
    pub(crate) url: String,
    created: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Server {
    pub(crate) fn start(request: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let created = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&created);
        // Ends with the test process: it blocks in accept and holds nothing.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream);
                while let Some((line, body)) = read_call(&mut reader) {
                    let (status, answer) = answer(&line, &body, &request, &seen);
                    let answer = answer.to_string();
                    let head = format!(
                        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                        answer.len()
                    );
                    reader.get_mut().write_all(format!("{head}{answer}").as_bytes()).unwrap();
                }
            }
        });
        Self { url, created }
    }

    pub(crate) fn created(&self) -> Vec<(String, Value)> {
        self.created.lock().unwrap().clone()
    }
}

fn read_call(reader: &mut impl std::io::BufRead) -> Option<(String, Value)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((line.trim().to_owned(), serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

fn answer(line: &str, body: &Value, request: &Value, seen: &Mutex<Vec<(String, Value)>>) -> (u16, Value) {
    let path = line.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
    if line.starts_with("POST") {
        seen.lock().unwrap().push((path.clone(), body.clone()));
    }
    match path.as_str() {
        "/apis/authentication.k8s.io/v1/selfsubjectreviews" => {
            let user = json!({"username": "bob", "groups": ["shop-owners"]});
            (201, json!({"metadata": {}, "status": {"userInfo": user}}))
        }
        "/apis/sessions.brevet.dev/v1alpha1/requests/view-logs-x7k2p" => (200, request.clone()),
        "/apis/sessions.brevet.dev/v1alpha1/requests" => {
            (200, json!({"metadata": {"resourceVersion": "1"}, "items": [request]}))
        }
        "/apis/sessions.brevet.dev/v1alpha1/grants" => {
            (200, json!({"metadata": {"resourceVersion": "1"}, "items": []}))
        }
        "/apis/brevet.dev/v1alpha1/accessroles/view-logs" => (200, role()),
        "/apis/brevet.dev/v1alpha1/accessrequests" => {
            let mut made = body.clone();
            made["metadata"] = request["metadata"].clone();
            (201, made)
        }
        "/apis/brevet.dev/v1alpha1/accessdecisions" => {
            let mut made = body.clone();
            made["metadata"] = json!({"name": "d-1"});
            (201, made)
        }
        _ => (
            404,
            json!({"kind": "Status", "status": "Failure", "code": 404, "message": "it was not found", "reason": "NotFound"}),
        ),
    }
}

/// The request that alice made; its digest is core's for exactly these terms.
pub(crate) fn request() -> Value {
    json!({
        "apiVersion": "sessions.brevet.dev/v1alpha1", "kind": "Request",
        "metadata": {"name": "view-logs-x7k2p", "uid": "u-1", "resourceVersion": "7", "creationTimestamp": "2026-11-24T09:00:00Z"},
        "spec": {"requester": {"username": "alice", "groups": ["developers"]}, "role": "view-logs", "namespaces": ["shop"],
                 "resources": [{"apiGroup": "", "resource": "pods", "names": ["web-1"]}], "duration": "30m",
                 "justification": "checkout \u{1b}]0;owned\u{7}\u{202e}errors"},
        "status": {"phase": "Pending", "terms": {
            "digest": "sha256:908611775c76950279b575414a9ad997a15d454c74959979722b6ecc6687b2c9",
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["web-1"]},
                      {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"], "resourceNames": ["web-1"]}],
            "namespaces": ["shop"], "duration": "30m", "delivery": "Gateway"}},
    })
}

fn role() -> Value {
    json!({
        "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessRole", "metadata": {"name": "view-logs"},
        "spec": {"description": "Read the state and logs of pods.", "clusterRoles": ["x"], "scope": "Namespaced", "risk": "Low",
                 "defaultDuration": "30m", "maxDuration": "4h", "names": "Optional", "deliveries": ["Gateway"]},
    })
}

pub(crate) fn kubeconfig(folder: &Path, server: &str) -> PathBuf {
    let file = folder.join("config");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "dev",
        "clusters": [{"name": "dev", "cluster": {"server": server}}],
        "contexts": [{"name": "dev", "context": {"cluster": "dev", "user": "bob", "namespace": "shop"}}],
        "users": [{"name": "bob", "user": {"token": "s3cr3t"}}],
    });
    std::fs::write(&file, text.to_string()).unwrap();
    file
}

pub(crate) fn brevet(folder: &Path, server: &str, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubectl-brevet"))
        .args(words)
        .env_clear()
        .env("HOME", folder)
        .env("KUBECONFIG", kubeconfig(folder, server))
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
