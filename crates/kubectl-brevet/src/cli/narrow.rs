//! The flags by which an approver leaves less than was asked for.

use clap::Args;

use super::AskArgs;

/// What is left of the terms.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct NarrowArgs {
    /// No longer than this, e.g. 10m
    #[arg(long = "narrow-for", value_name = "TIME", help_heading = "Approve less")]
    duration: Option<String>,

    /// Not before this instant, e.g. 2026-12-01T08:00:00Z
    #[arg(long = "narrow-start", value_name = "INSTANT", help_heading = "Approve less")]
    start_at: Option<String>,

    /// Only in this namespace; repeat for several
    #[arg(long = "narrow-namespace", value_name = "NS", help_heading = "Approve less")]
    namespaces: Vec<String>,

    /// Only on this pod, its logs and other subresources included; repeat for several
    #[arg(long = "narrow-pod", value_name = "NAME", help_heading = "Approve less")]
    pods: Vec<String>,

    /// Only on this Secret; repeat for several
    #[arg(long = "narrow-secret", value_name = "NAME", help_heading = "Approve less")]
    secrets: Vec<String>,

    /// Only on this, e.g. deployments.apps/web, pods/log/web-1, or pods for every pod; repeat for several
    #[arg(long = "narrow-resource", value_name = "TYPE/NAME", help_heading = "Approve less")]
    resources: Vec<String>,

    /// Only this verb on the resources named, e.g. get; repeat for several
    #[arg(long = "narrow-verb", value_name = "VERB", help_heading = "Approve less")]
    verbs: Vec<String>,
}

impl NarrowArgs {
    /// As the flags of a request for what is left; `None`: nothing is narrowed.
    pub(crate) fn left(&self) -> Option<AskArgs> {
        let lists = [&self.namespaces, &self.pods, &self.secrets, &self.resources, &self.verbs];
        if self.duration.is_none() && self.start_at.is_none() && lists.iter().all(|list| list.is_empty()) {
            return None;
        }
        Some(AskArgs {
            role: String::new(),
            namespaces: self.namespaces.clone(),
            pods: self.pods.clone(),
            secrets: self.secrets.clone(),
            configmaps: Vec::new(),
            nodes: Vec::new(),
            resources: self.resources.clone(),
            verbs: self.verbs.clone(),
            duration: self.duration.clone(),
            start_at: self.start_at.clone(),
            urgency: None,
            ticket: None,
            delivery: None,
        })
    }
}
