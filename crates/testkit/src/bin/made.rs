//! scratch
#![allow(dead_code, missing_docs)]
#[path = "../../tests/gateway/made.rs"]
mod made;
async fn client(path: &str, as_: Option<&str>) -> kube::Client {
    let k = kube::config::Kubeconfig::read_from(path).unwrap();
    let mut c = kube::Config::from_custom_kubeconfig(k, &Default::default()).await.unwrap();
    c.auth_info.impersonate = as_.map(str::to_owned);
    kube::Client::try_from(c).unwrap()
}
#[tokio::main]
async fn main() {
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let a: Vec<String> = std::env::args().collect();
    let d = &a[1];
    let hands = made::Hands {
        holder: client(&format!("{d}/alice.kubeconfig"), None).await,
        approver: client(&format!("{d}/bob.kubeconfig"), None).await,
        controller: client(&format!("{d}/controller.kubeconfig"), None).await,
        binder: client(&format!("{d}/controller.kubeconfig"), Some("brevet:binder")).await,
    };
    let mut ask = made::Ask::logs("shop", a[2].parse().unwrap());
    if a.len() > 3 && a[3] == "deploy" {
        let all = vec!["get", "list", "watch", "create", "update", "patch", "delete"];
        ask.role = "deploy";
        ask.rules = vec![("", vec!["configmaps"], all.clone(), vec![]), ("apps", vec!["deployments"], all, vec![])];
    }
    match made::grant(&hands, &ask).await {
        Ok(m) => println!("{}", m.name),
        Err(e) => {
            eprintln!("{e:#}");
            std::process::exit(1)
        }
    }
}
