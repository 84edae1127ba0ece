//! I1 and I2: nothing begins after the deadline, and nothing that is open outlives it.

use std::time::Duration;

use brevet_testkit::Cluster;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use k8s_openapi::api::{coordination::v1::Lease, core::v1::ConfigMap};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinSet,
};

use crate::{
    CUT_LATENCY_MAX, PATIENCE, cluster, granted, hands,
    knock::{self, Protocol, Shown, as_user},
    made::{self, Ask, Made},
    server, through,
};

const BOTH: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

fn config_maps(namespace: &str, seconds: i64) -> Ask {
    let verbs = vec!["get", "list", "watch", "create", "update", "patch", "delete"];
    Ask { role: "deploy", rules: vec![("", vec!["configmaps"], verbs, vec![])], ..Ask::logs(namespace, seconds) }
}

/// What the gateway has recorded of a grant's exchanges.
fn receipts(cluster: &Cluster, made: &Made) -> Vec<Value> {
    let log = std::fs::read_to_string(cluster.dir().join("logs/gateway.log")).unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["grant_uid"] == made.uid.as_str() && line["message"] == "forwarded a call").collect()
}

/// The receipts of its streams that were cut.
pub(crate) async fn cuts(cluster: &Cluster, made: &Made, count: usize) -> Vec<Value> {
    cluster
        .eventually("the receipts of what was cut", PATIENCE, async || {
            let cut: Vec<Value> = receipts(cluster, made).into_iter().filter(|line| line["cut"].is_string()).collect();
            (cut.len() >= count).then_some(cut)
        })
        .await
}

/// A namespace in which a ConfigMap changes all the time, until the task is dropped.
async fn restless(cluster: &Cluster) -> (String, JoinSet<()>) {
    let namespace = cluster.namespace().await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(cluster.admin().await.unwrap(), &namespace);
    let map = serde_json::from_value(json!({"metadata": {"name": "restless"}})).unwrap();
    maps.create(&PostParams::default(), &map).await.unwrap();
    let mut task = JoinSet::new();
    task.spawn(async move {
        for turn in 0.. {
            let patch = Patch::Merge(json!({"data": {"turn": format!("{turn}")}}));
            if maps.patch("restless", &PatchParams::default(), &patch).await.is_err() {
                return;
            }
        }
    });
    (namespace, task)
}

#[tokio::test]
async fn no_call_begins_after_the_deadline() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 4)).await;
    let path = through(&made, "/api/v1/namespaces/shop/pods/web-1");
    let mut connection = knock::connect(cluster, &Shown::FrontProxy, Protocol::Http2).await.unwrap();
    let (mut admitted, mut refused) = (0, 0);
    while refused < 50 {
        let sent = made::now();
        let Ok((code, body)) = connection.ask(as_user("alice", Method::GET, &path)).await else {
            // Cut in the middle of its answer, by the deadline itself.
            assert!(made::now() >= made.not_after && refused == 0);
            continue;
        };
        match code {
            StatusCode::OK => {
                assert!(sent < made.not_after, "admitted at {sent}, over at {}", made.not_after);
                assert_eq!(refused, 0, "admitted after a refusal");
                admitted += 1;
            }
            code => {
                assert_eq!(code, StatusCode::FORBIDDEN);
                assert!(body.contains("expired at") || body.contains("ended at"), "{body}");
                assert!(body.contains("kubectl brevet request view-logs -n shop"), "{body}");
                refused += 1;
            }
        }
    }
    assert!(admitted > 10, "{admitted}");
}

#[tokio::test]
async fn kubectl_is_told_why_its_streams_end() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 6)).await;
    let alice = cluster.user("alice");
    let server = server(cluster, &made);
    let (logs, watch) = ([&server, "-n", "shop", "logs", "-f", "web-1"], [&server, "-n", "shop", "get", "pods", "-w"]);
    let run = async |args: &[&str]| {
        let output = alice.kubectl(args).await.unwrap();
        (output, made::now())
    };

    let ((logs, logs_end), (watch, watch_end)) = tokio::join!(run(&logs), run(&watch));

    let sentence = format!("grant `{}` ended at {}", made.name, made.not_after);
    let last = logs.stdout.lines().last().unwrap();
    assert!(last.starts_with(&sentence), "{last}");
    assert_eq!(logs.status, 1, "a torn log must not look whole");
    assert!(watch.stdout.contains(&sentence), "{}", watch.stdout);
    for end in [logs_end, watch_end] {
        let late = end.duration_since(made.not_after);
        assert!(late.as_millis() < 1_000 && !late.is_negative(), "kubectl ended {late:?} after the deadline");
    }
    for cut in cuts(cluster, &made, 2).await {
        assert!(cut["late_ms"].as_u64().unwrap() <= 250, "{cut}");
        assert_eq!(
            (&cut["cut"], &cut["holder"], &cut["is_stream"]),
            (&json!("Expired"), &json!("alice"), &json!(true))
        );
    }
}

#[tokio::test]
async fn a_busy_watch_is_silent_after_the_deadline() {
    let cluster = cluster().await;
    let (namespace, _restless) = restless(cluster).await;
    for protocol in BOTH {
        let made = granted(cluster, &config_maps(&namespace, 4)).await;
        let path =
            through(&made, &format!("/api/v1/namespaces/{namespace}/configmaps?watch=1&timeoutSeconds=31536000"));
        let mut connection = knock::connect(cluster, &Shown::FrontProxy, protocol).await.unwrap();
        let request = as_user("alice", Method::GET, &path).body(Default::default()).unwrap();
        let mut body = connection.send(request).await.unwrap().into_body();

        let (mut text, mut last) = (String::new(), made::now());
        while let Some(Ok(frame)) = body.frame().await {
            last = made::now();
            text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }

        let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(events.len() > 20, "{protocol:?}: {} events", events.len());
        let late = Duration::try_from(last.duration_since(made.not_after)).unwrap_or(Duration::ZERO);
        assert!(late < CUT_LATENCY_MAX, "{protocol:?}: a byte {late:?} after the deadline");
        // Most cuts fall between two events; then the last one says why.
        let (says, others) = events.split_last().unwrap();
        assert!(others.iter().all(|event| event["type"] != "ERROR"));
        if says["type"] == "ERROR" {
            assert!(says["object"]["message"].as_str().unwrap().contains(&made.name));
        }
        cuts(cluster, &made, 1).await;
        let audit = cluster.audit_events().unwrap();
        let watch = audit.iter().find(|e| e.username().ends_with(&made.identity) && e.verb == "watch").unwrap();
        let asked = watch.request_uri.rsplit_once("timeoutSeconds=").unwrap().1.parse::<u64>().unwrap();
        assert!(asked <= 5, "asked kube-apiserver for {asked} s");
    }
}

/// The field `number` of a protobuf message, where it holds bytes.
fn field(message: &[u8], number: u8) -> Option<Vec<u8>> {
    let mut rest = message;
    let varint = |rest: &mut &[u8]| {
        let (mut value, mut shift) = (0_usize, 0);
        while let Some((byte, others)) = rest.split_first() {
            *rest = others;
            value |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    };
    while let Some((tag, others)) = rest.split_first() {
        rest = others;
        let length = varint(&mut rest);
        if tag & 7 == 2 {
            let (bytes, others) = rest.split_at(length);
            rest = others;
            if tag >> 3 == number {
                return Some(bytes.to_vec());
            }
        }
    }
    None
}

#[tokio::test]
async fn a_watch_in_protobuf_is_told_why_it_ends() {
    let cluster = cluster().await;
    let made = granted(cluster, &config_maps("shop", 4)).await;
    let path = through(&made, "/api/v1/namespaces/shop/configmaps?watch=1");
    let mut connection = knock::connect(cluster, &Shown::FrontProxy, Protocol::Http2).await.unwrap();
    let accept = "application/vnd.kubernetes.protobuf;stream=watch,application/vnd.kubernetes.protobuf";
    let request = as_user("alice", Method::GET, &path).header("accept", accept).body(Default::default()).unwrap();
    let answer = connection.send(request).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/vnd.kubernetes.protobuf;stream=watch");
    let bytes = answer.into_body().collect().await.unwrap().to_bytes().to_vec();

    let (mut events, mut rest) = (Vec::new(), bytes.as_slice());
    while !rest.is_empty() {
        let (length, others) = rest.split_at(4);
        let (event, others) = others.split_at(u32::from_be_bytes(length.try_into().unwrap()) as usize);
        let envelope = field(&field(event, 2).unwrap(), 1).unwrap();
        let unknown = envelope.strip_prefix(b"k8s\0").expect("the envelope of kube-apiserver").to_vec();
        let kind = field(&field(&unknown, 1).unwrap(), 2).unwrap();
        events.push((field(event, 1).unwrap(), kind, field(&unknown, 2).unwrap()));
        rest = others;
    }
    let (theirs, ours) = (&events[0], events.last().unwrap());
    assert_eq!((theirs.0.as_slice(), theirs.1.as_slice()), (&b"ADDED"[..], &b"ConfigMap"[..]));
    assert_eq!((ours.0.as_slice(), ours.1.as_slice()), (&b"ERROR"[..], &b"Status"[..]));
    let message = String::from_utf8(field(&ours.2, 3).unwrap()).unwrap();
    assert!(message.contains(&format!("grant `{}` ended at", made.name)), "{message}");
}

/// A namespace with far more in it than any buffer between us and the API server.
async fn heavy(cluster: &Cluster) -> String {
    let namespace = cluster.namespace().await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(cluster.admin().await.unwrap(), &namespace);
    let text = "x".repeat(700_000);
    for number in 0..24 {
        let map = json!({"metadata": {"name": format!("heavy-{number}")}, "data": {"text": text}});
        maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap()).await.unwrap();
    }
    namespace
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_all_the_same() {
    let cluster = cluster().await;
    let namespace = heavy(cluster).await;
    let watch = format!("/api/v1/namespaces/{namespace}/configmaps?watch=1");
    let list = format!("/api/v1/namespaces/{namespace}/configmaps");

    // HTTP/1.1 by hand: nothing of ours reads behind our back.
    for inner in [&watch, &list] {
        let made = granted(cluster, &config_maps(&namespace, 4)).await;
        let mut stream = knock::tls(cluster, &Shown::FrontProxy, Protocol::Http1).await.unwrap();
        let head = format!("GET {} HTTP/1.1\r\nhost: gateway\r\nx-remote-user: alice\r\n\r\n", through(&made, inner));
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut start = [0; 512];
        let read = stream.read(&mut start).await.unwrap();
        assert!(start[..read].starts_with(b"HTTP/1.1 200"));

        // The receipt is written while we do not read.
        let cut = cuts(cluster, &made, 1).await.remove(0);
        check_in_time(&cut, &made);

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
}

#[tokio::test]
async fn one_stalled_http2_stream_is_reset_and_its_neighbours_live() {
    let cluster = cluster().await;
    let namespace = heavy(cluster).await;
    let made = granted(cluster, &config_maps(&namespace, 10)).await;
    let other = granted(cluster, &Ask::logs("shop", 600)).await;
    let path = through(&made, &format!("/api/v1/namespaces/{namespace}/configmaps?watch=1"));
    let neighbour = through(&other, "/api/v1/namespaces/shop/pods?watch=1");
    let mut connection = knock::connect(cluster, &Shown::FrontProxy, Protocol::Http2).await.unwrap();
    let request = |path: &str| as_user("alice", Method::GET, path).body(Default::default()).unwrap();
    let stalled = connection.send(request(&path)).await.unwrap();
    assert_eq!(stalled.status(), StatusCode::OK);
    let mut alive = connection.send(request(&neighbour)).await.unwrap().into_body();
    alive.frame().await.unwrap().unwrap();

    let cut = cuts(cluster, &made, 1).await.remove(0);
    check_in_time(&cut, &made);

    let (mut after, mut body) = (0, stalled.into_body());
    let error = loop {
        match body.frame().await.expect("an end that looks whole") {
            Ok(frame) => after += frame.into_data().unwrap().len(),
            Err(error) => break error,
        }
    };
    assert!(format!("{error:?}").contains("CANCEL"), "{error:?}");
    // hyper's client opens a window of 2 MB, which was full before the deadline.
    assert!(after <= 2 * 1024 * 1024 + 64, "{after} bytes after the cut");
    let (code, _) = connection.ask(as_user("alice", Method::GET, &through(&other, "/version"))).await.unwrap();
    assert_eq!(code, StatusCode::OK);
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(cluster.admin().await.unwrap(), "shop");
    let label = Patch::Merge(json!({"metadata": {"annotations": {"touched": made.name}}}));
    pods.patch("web-1", &PatchParams::default(), &label).await.unwrap();
    loop {
        let frame = tokio::time::timeout(PATIENCE, alive.frame()).await.unwrap().unwrap().unwrap();
        if String::from_utf8_lossy(frame.data_ref().unwrap()).contains(&made.name) {
            break;
        }
    }
}

/// The receipt was written within 250 ms of the deadline.
pub(crate) fn check_in_time(cut: &Value, made: &Made) {
    let written: Timestamp = cut["timestamp"].as_str().unwrap().parse().unwrap();
    let late = Duration::try_from(written.duration_since(made.not_after)).unwrap();
    assert!(late < CUT_LATENCY_MAX, "closed {late:?} after the deadline: {cut}");
}

/// Many enough to show a cost for each, few enough for a small machine.
const MANY: usize = 100;

#[tokio::test]
async fn many_streams_end_together() {
    let cluster = cluster().await;
    let made = granted(cluster, &config_maps("shop", 25)).await;
    let path = through(&made, "/api/v1/namespaces/shop/configmaps?watch=1");
    let (mut connections, mut reading) = (Vec::new(), JoinSet::new());
    for number in 0..MANY {
        if number % 50 == 0 {
            connections.push(knock::connect(cluster, &Shown::FrontProxy, Protocol::Http2).await.unwrap());
        }
        let request = as_user("alice", Method::GET, &path).body(Default::default()).unwrap();
        let answer = connections.last_mut().unwrap().send(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let mut body = answer.into_body();
        reading.spawn(async move {
            let mut last = made::now();
            while let Some(Ok(_)) = body.frame().await {
                last = made::now();
            }
            last
        });
    }
    assert!(made::now() < made.not_after, "the streams took too long to open");
    while let Some(last) = reading.join_next().await {
        let late = Duration::try_from(last.unwrap().duration_since(made.not_after)).unwrap_or(Duration::ZERO);
        assert!(late < CUT_LATENCY_MAX, "a byte {late:?} after the deadline");
    }
    let mut late: Vec<u64> =
        cuts(cluster, &made, MANY).await.iter().map(|cut| cut["late_ms"].as_u64().unwrap_or(0)).collect();
    late.sort_unstable();
    let most = u64::try_from(CUT_LATENCY_MAX.as_millis()).unwrap();
    assert!(late[MANY - 1] <= most, "the latest of {MANY} was ended {} ms late", late[MANY - 1]);
    println!(
        "{MANY} streams: p50 {} ms, p99 {} ms, max {} ms late",
        late[MANY / 2],
        late[MANY * 99 / 100],
        late[MANY - 1]
    );
}

#[tokio::test]
async fn an_upload_stops_at_the_deadline() {
    let cluster = cluster().await;
    let made = granted(cluster, &config_maps("shop", 4)).await;
    let mut stream = knock::tls(cluster, &Shown::FrontProxy, Protocol::Http1).await.unwrap();
    let path = through(&made, "/api/v1/namespaces/shop/configmaps");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: gateway\r\nx-remote-user: alice\r\ncontent-type: application/json\r\n\
         content-length: 2000000\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // An answer and a closed connection, or a reset: never silence.
    stream.read_to_end(&mut answer).await.ok();
    let late = made::now().duration_since(made.not_after);
    assert!(late.as_millis() < 1_000 && !late.is_negative(), "ended {late:?} after the deadline");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 403"), "{answer}");
    let cut = cuts(cluster, &made, 1).await.remove(0);
    check_in_time(&cut, &made);
    assert_eq!(cut["bytes_up"], 1);
}

/// An upload that goes on in small steps until there is an answer, or none.
async fn dribble(cluster: &Cluster, path: &str) -> String {
    let stream = knock::tls(cluster, &Shown::FrontProxy, Protocol::Http1).await.unwrap();
    let (mut read, mut write) = tokio::io::split(stream);
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: gateway\r\nx-remote-user: alice\r\ncontent-type: application/json\r\n\
         content-length: 2000000\r\n\r\n"
    );
    write.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let sending = async {
        while write.write_all(b" ").await.is_ok() {
            // As often as the executor comes by.
            tokio::task::yield_now().await;
        }
        std::future::pending().await
    };
    tokio::select! {
        () = sending => {}
        _ = read.read_to_end(&mut answer) => {}
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn whoever_uploads_at_the_deadline_is_told_of_the_end() {
    const UPLOADS: usize = 40;
    let cluster = cluster().await;
    let made = granted(cluster, &config_maps("shop", 6)).await;
    let path = through(&made, "/api/v1/namespaces/shop/configmaps");
    let answers = futures::future::join_all((0..UPLOADS).map(|_| dribble(cluster, &path))).await;
    let told: Vec<&String> = answers.iter().filter(|answer| !answer.is_empty()).collect();
    for answer in &told {
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("ended at"), "{answer}");
    }
    assert!(told.len() > UPLOADS / 2, "only {} of {UPLOADS} were told anything", told.len());
}

/// The highest resourceVersion that every gateway has acknowledged.
async fn acknowledged(cluster: &Cluster) -> u64 {
    let leases: Api<Lease> = Api::namespaced(cluster.admin().await.unwrap(), "brevet-system");
    let found = leases.list(&ListParams::default().labels("brevet.dev/role=gateway")).await.unwrap();
    let versions = found.iter().map(|lease| {
        let annotations = lease.metadata.annotations.as_ref();
        annotations.and_then(|all| all.get("brevet.dev/acknowledged")).map_or(0, |version| version.parse().unwrap())
    });
    versions.min().unwrap()
}

#[tokio::test]
async fn an_acknowledged_end_means_that_streams_are_closed() {
    let cluster = cluster().await;
    let (namespace, _restless) = restless(cluster).await;
    for protocol in BOTH {
        let made = granted(cluster, &config_maps(&namespace, 600)).await;
        let path = through(&made, &format!("/api/v1/namespaces/{namespace}/configmaps?watch=1"));
        let mut connection = knock::connect(cluster, &Shown::FrontProxy, protocol).await.unwrap();
        let request = as_user("alice", Method::GET, &path).body(Default::default()).unwrap();
        let mut body = connection.send(request).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            let mut last = made::now();
            while let Some(Ok(_)) = body.frame().await {
                last = made::now();
            }
            last
        });

        let ended_at = made::now();
        let version = made::end(&hands(cluster).await, &made, "Revoked").await.unwrap();
        let told = cluster
            .eventually("the acknowledgement", PATIENCE, async || {
                (acknowledged(cluster).await >= version).then(made::now)
            })
            .await;

        let last = tokio::time::timeout(PATIENCE, reading.join_next()).await.unwrap().unwrap().unwrap();
        let late = Duration::try_from(last.duration_since(told)).unwrap_or(Duration::ZERO);
        assert!(late < CUT_LATENCY_MAX, "{protocol:?}: a byte {late:?} after the acknowledgement");
        assert!(told.duration_since(ended_at).as_millis() < 2_000, "acknowledged only at {told}");
        assert_eq!(cuts(cluster, &made, 1).await[0]["cut"], "Revoked");
        let (code, body) =
            knock::ask(cluster, &Shown::FrontProxy, protocol, as_user("alice", Method::GET, &path)).await.unwrap();
        assert_eq!(code, StatusCode::FORBIDDEN);
        assert!(body.contains("was revoked"), "{body}");
    }
}

#[tokio::test]
async fn a_grant_without_its_evidence_ends_with_its_streams() {
    let cluster = cluster().await;
    let (namespace, _restless) = restless(cluster).await;
    let made = granted(cluster, &config_maps(&namespace, 600)).await;
    let path = through(&made, &format!("/api/v1/namespaces/{namespace}/configmaps?watch=1"));
    let mut connection = knock::connect(cluster, &Shown::FrontProxy, Protocol::Http2).await.unwrap();
    let request = as_user("alice", Method::GET, &path).body(Default::default()).unwrap();
    let mut body = connection.send(request).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();

    made::destroy_evidence(&cluster.admin().await.unwrap(), &made).await.unwrap();

    let ended = async { while let Some(Ok(_)) = body.frame().await {} };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    assert_eq!(cuts(cluster, &made, 1).await[0]["cut"], "Evidence");
    let (code, _) = connection.ask(as_user("alice", Method::GET, &path)).await.unwrap();
    assert_eq!(code, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_killed_gateway_leaves_nothing_open() {
    let cluster = crate::start(brevet_testkit::Options::default()).await;
    let made = granted(&cluster, &Ask::logs("shop", 600)).await;
    let alice = cluster.user("alice");
    let server = server(&cluster, &made);
    let mut child = alice.kubectl_command(&[&server, "-n", "shop", "logs", "-f", "web-1"]).unwrap().spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 16]).await.unwrap();

    cluster.brevet().unwrap().kill(brevet_testkit::Part::Gateway).unwrap();

    let ended = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert!(!ended.success());
    let output = alice.kubectl(&[&server, "-n", "shop", "get", "pods"]).await.unwrap();
    assert_ne!(output.status, 0, "{}", output.stdout);
    // Nothing of the grant is left open at kube-apiserver.
    cluster
        .eventually("the log to be closed upstream", PATIENCE, async || {
            let audit = cluster.audit_events().unwrap();
            let ours = |stage: &str| {
                let is = |e: &&brevet_testkit::AuditEvent| {
                    e.username().ends_with(&made.identity) && e.stage == stage && e.request_uri.contains("/log")
                };
                audit.iter().filter(is).count()
            };
            (ours("ResponseComplete") >= 1).then_some(())
        })
        .await;
}
