//! What an elevation identity, and a stolen server token, cannot leave behind or reach.

use super::*;

#[tokio::test]
async fn what_is_made_under_a_grant_gives_nobody_authority() {
    let cluster = cluster().await;
    let me = format!("system:serviceaccount:brevet-elevations:{IDENTITY}");
    let elevated = Caller::mighty(cluster, &me).await;
    let admin = Caller::user(cluster, "admin").await;
    let robot = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}});
    admin.accepts(Attempt::create(format!("{SHOP}/serviceaccounts"), robot).really()).await;
    elevated.accepts(Attempt::create(format!("{SHOP}/configmaps"), config_map("c"))).await;
    elevated.accepts(Attempt::create(format!("{SHOP}/pods"), pod(json!({})))).await;
    let webhook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "w"},
    });
    let subject = json!({"subjects": [named("User", "mallory")]});
    let own = with(role_binding("b", "r", named("User", "mallory")), subject);
    let everywhere =
        with(own.clone(), json!({"kind": "ClusterRoleBinding", "roleRef": {"kind": "ClusterRole", "name": "view"}}));
    let secret = |kind: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": kind,
            "metadata": {"name": "s", "annotations": {"kubernetes.io/service-account.name": "default"}},
        })
    };
    elevated.accepts(Attempt::create(format!("{SHOP}/secrets"), secret("Opaque"))).await;
    for (attempt, why) in [
        (Attempt::create(bindings_of("shop"), own), "nothing of rbac.authorization.k8s.io"),
        (Attempt::create(format!("{RBAC}/clusterrolebindings"), everywhere), "nothing of rbac.authorization.k8s.io"),
        (
            Attempt::create("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", webhook),
            "nothing of admissionregistration.k8s.io",
        ),
        (Attempt::delete(format!("{API_SERVICES}/v1.apps")), "nothing of apiregistration.k8s.io"),
        (
            Attempt::create(
                format!("{SHOP}/serviceaccounts"),
                json!({
                    "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "sa"},
                }),
            ),
            "under a grant nobody writes serviceaccounts",
        ),
        (mint("shop", "default", json!({"boundObjectRef": null})), "under a grant nobody writes serviceaccounts/token"),
        (Attempt::create(format!("{SHOP}/secrets"), secret("kubernetes.io/service-account-token")), "token Secret"),
        (Attempt::create(format!("{SYSTEM}/configmaps"), config_map("c")), "never a target"),
        (
            Attempt::create(REQUESTS, request(person(&me, "system:masters"))),
            "brevet.dev is written under a grant | neither asks nor decides",
        ),
        (
            Attempt::create(DECISIONS, decision("Approve", person(&me, "system:masters"), &["shop"])),
            "brevet.dev is written under a grant | neither asks nor decides",
        ),
        (
            Attempt::create(format!("{SHOP}/pods"), pod(json!({"serviceAccountName": "robot"}))),
            "a workload runs as ServiceAccount default",
        ),
        (
            Attempt::create(
                "/apis/apps/v1/namespaces/shop/deployments",
                deployment("d", json!({"serviceAccountName": "robot"})),
            ),
            "a workload runs as ServiceAccount default",
        ),
    ] {
        elevated.rejects(attempt, why).await;
    }
}

#[tokio::test]
async fn a_workload_changed_under_a_grant_keeps_its_account() {
    let cluster = cluster().await;
    let (admin, elevated) = (
        Caller::user(cluster, "admin").await,
        Caller::mighty(cluster, &format!("system:serviceaccount:brevet-elevations:{IDENTITY}")).await,
    );
    let path = "/apis/apps/v1/namespaces/shop/deployments";
    admin.accepts(Attempt::create(path, deployment("kept", json!({"serviceAccountName": "robot"}))).really()).await;
    let account = |name: &str| {
        Attempt::patch(format!("{path}/kept"), json!({"spec": {"template": {"spec": {"serviceAccountName": name}}}}))
    };
    elevated.accepts(Attempt::patch(format!("{path}/kept"), json!({"metadata": {"annotations": {"a": "b"}}}))).await;
    elevated.rejects(account("builder"), "a workload runs as ServiceAccount default, or as it ran before").await;
}

#[tokio::test]
async fn what_reaches_beyond_objects_is_refused_under_a_grant() {
    let cluster = cluster().await;
    let elevated = Caller::mighty(cluster, &format!("system:serviceaccount:brevet-elevations:{IDENTITY}")).await;
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let pem = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, pem);
    let csr = json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "c"},
        "spec": {"request": pem, "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]},
    });
    let names = json!({"plural": "as", "kind": "A"});
    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "as.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": names,
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]},
    });
    let bootstrap = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
        "stringData": {"token-id": "abcdef", "token-secret": "0123456789abcdef"},
    });
    let template = |account: &str| json!({"spec": pod(json!({"serviceAccountName": account}))["spec"]});
    let job = with(template("robot"), json!({"spec": {"restartPolicy": "Never"}}));
    let cron = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "later"},
        "spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": job.clone()}}},
    });
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "now"}, "spec": {"template": job}});
    let fine = with(job.clone(), json!({"spec": {"template": {"spec": {"serviceAccountName": "default"}}}}));
    elevated.accepts(Attempt::create("/apis/batch/v1/namespaces/shop/jobs", fine)).await;
    let admin = Caller::user(cluster, "admin").await;
    let other = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "other"}});
    admin.accepts(Attempt::create(format!("{SHOP}/serviceaccounts"), other).really()).await;
    let old_spelling = pod(json!({"serviceAccount": "other"}));
    let status = json!({"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 443}}}});
    let trust = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
    for (attempt, why) in [
        (Attempt::read("/api/v1/nodes/node-1/proxy/metrics"), "nobody writes nodes/proxy"),
        (Attempt::patch("/api/v1/nodes/node-1/status", status), "nobody writes nodes/status"),
        (Attempt::create("/apis/certificates.k8s.io/v1/certificatesigningrequests", csr), "nothing of certificates"),
        (Attempt::create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd), "nothing of apiextensions"),
        (Attempt::create("/api/v1/namespaces/kube-system/secrets", bootstrap), "token Secret"),
        (Attempt::patch(trust, json!({"data": {"requestheader-allowed-names": "[]"}})), "says who is trusted"),
        (Attempt::create("/apis/batch/v1/namespaces/shop/cronjobs", cron), "runs as ServiceAccount default"),
        (Attempt::create("/apis/batch/v1/namespaces/shop/jobs", job), "runs as ServiceAccount default"),
        (Attempt::create(format!("{SHOP}/pods"), old_spelling), "runs as ServiceAccount default"),
    ] {
        elevated.rejects(attempt, why).await;
    }
    for (name, why) in [(CONTROLLER, "the controller may not CONNECT"), (GATEWAY, "the gateway may not CONNECT")] {
        let thief = Caller::mighty(cluster, name).await;
        thief.rejects(Attempt::read("/api/v1/nodes/node-1/proxy/metrics"), why).await;
        thief.rejects(Attempt::read(format!("{SHOP}/pods/web-1/exec?command=id&stdout=true")), why).await;
        thief.rejects(Attempt::read(format!("{SHOP}/pods/web-1/portforward?ports=8080")), why).await;
    }
}

const ONTO_THE_NODE: &str = "gains no hostPath, host namespace or privileged container";

fn containing(container: Value) -> Value {
    json!({"containers": [with(json!({"name": "c", "image": "none"}), container)]})
}

#[tokio::test]
async fn no_workload_gains_a_way_onto_its_node() {
    let cluster = cluster().await;
    let elevated = Caller::mighty(cluster, &format!("system:serviceaccount:brevet-elevations:{IDENTITY}")).await;
    let adds = |capability: &str| json!({"securityContext": {"capabilities": {"add": [capability]}}});
    let whole = json!([{"name": "v", "hostPath": {"path": "/"}}]);
    elevated.accepts(Attempt::create(format!("{SHOP}/pods"), pod(containing(adds("SYS_PTRACE"))))).await;
    for bad in [
        json!({"hostNetwork": true}),
        json!({"hostPID": true}),
        json!({"hostIPC": true}),
        json!({ "volumes": whole }),
        containing(json!({"securityContext": {"privileged": true}})),
        containing(adds("cap_sys_admin")),
        json!({"initContainers": [{"name": "first", "image": "none", "securityContext": {"privileged": true}}]}),
    ] {
        elevated.rejects(Attempt::create(format!("{SHOP}/pods"), pod(bad.clone())), ONTO_THE_NODE).await;
        let path = "/apis/apps/v1/namespaces/shop/deployments";
        elevated.rejects(Attempt::create(path, deployment("d", bad)), ONTO_THE_NODE).await;
    }
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/"}},
    });
    elevated.rejects(Attempt::create("/api/v1/persistentvolumes", volume), "a path of a node").await;
    let revision = json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": "r"}, "revision": 1, "data": {"spec": {}},
    });
    let path = "/apis/apps/v1/namespaces/shop/controllerrevisions";
    elevated.rejects(Attempt::create(path, revision), "nobody writes controllerrevisions").await;
}

#[tokio::test]
async fn a_debug_container_gains_no_way_onto_the_node() {
    let cluster = cluster().await;
    let elevated = Caller::mighty(cluster, &format!("system:serviceaccount:brevet-elevations:{IDENTITY}")).await;
    let admin = Caller::user(cluster, "admin").await;
    let mounts = json!([{"name": "v", "mountPath": "/l", "readOnly": true}]);
    let volumes = json!([{"name": "v", "hostPath": {"path": "/var/log"}}]);
    let agent = with(pod(containing(json!({ "volumeMounts": mounts }))), json!({"metadata": {"name": "agent"}}));
    let agent = with(agent, json!({"spec": {"volumes": volumes}}));
    admin.accepts(Attempt::create(format!("{SHOP}/pods"), agent).really()).await;
    let debug = |container: Value| {
        let container = with(json!({"name": "debugger", "image": "none"}), container);
        let body = json!({"spec": {"ephemeralContainers": [container]}});
        Attempt::patch(format!("{SHOP}/pods/agent/ephemeralcontainers"), body)
    };
    elevated.accepts(debug(json!({}))).await;
    elevated.accepts(debug(json!({ "volumeMounts": mounts }))).await;
    elevated.rejects(debug(json!({"securityContext": {"privileged": true}})), ONTO_THE_NODE).await;
    let writable = json!({"volumeMounts": [{"name": "v", "mountPath": "/l"}]});
    elevated.rejects(debug(writable), ONTO_THE_NODE).await;
}

#[tokio::test]
async fn a_workload_keeps_the_way_onto_its_node_that_it_had() {
    let cluster = cluster().await;
    let elevated = Caller::mighty(cluster, &format!("system:serviceaccount:brevet-elevations:{IDENTITY}")).await;
    let admin = Caller::user(cluster, "admin").await;
    let path = "/apis/apps/v1/namespaces/shop/deployments";
    admin.accepts(Attempt::create(path, deployment("agents", json!({"hostPID": true}))).really()).await;
    let changes =
        |patch: Value| Attempt::patch(format!("{path}/agents"), json!({"spec": {"template": {"spec": patch}}}));
    elevated.accepts(changes(containing(json!({"image": "other"})))).await;
    elevated.rejects(changes(json!({"hostNetwork": true})), ONTO_THE_NODE).await;
    let scale = Attempt::patch(format!("{path}/agents/scale"), json!({"spec": {"replicas": 1}}));
    elevated.accepts(scale).await;
}

#[tokio::test]
async fn deleting_all_is_judged_one_by_one() {
    let elevated =
        Caller::mighty(cluster().await, &format!("system:serviceaccount:brevet-elevations:{IDENTITY}")).await;
    // The request names nothing; only the old object shows which it is.
    let all = Attempt::delete("/api/v1/namespaces/kube-system/configmaps");
    elevated.rejects(all, "says who is trusted").await;
}
