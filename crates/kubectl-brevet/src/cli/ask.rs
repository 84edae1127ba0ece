//! The flags that say what is asked for; `explain` and `request` share them.

use clap::{Args, ValueEnum};

use super::{Format, Output};

pub(super) const REQUEST_USAGE: &str = "kubectl brevet request ROLE [-n NS]... [--pod NAME | --secret NAME | --resource TYPE/NAME]... --reason TEXT [--for TIME]";

pub(super) const EXPLAIN_USAGE: &str =
    "kubectl brevet explain ROLE [-n NS]... [--pod NAME | --secret NAME | --resource TYPE/NAME]... [--for TIME]";

pub(super) const EXPLAIN_EXAMPLE: &str = "\
Nothing is created.

Example: kubectl brevet explain view-logs -n shop --pod web-1 --for 30m";

pub(super) const REQUEST_EXAMPLES: &str = "\
On a terminal it waits until the access is active or refused; elsewhere only with --wait.

Example: kubectl brevet request view-logs -n shop --pod web-1 --for 30m --reason 'checkout errors'

In a script:
  request=$(kubectl brevet request view-logs -n shop --pod web-1 --reason nightly -o name)
  kubectl brevet wait $request --timeout 10m";

/// What, where and for how long.
#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    /// An AccessRole; `kubectl brevet roles` lists them
    pub(crate) role: String,

    /// Where; repeat for several [default: the context's]
    #[arg(short, long = "namespace", value_name = "NS")]
    pub(crate) namespaces: Vec<String>,

    /// Only this pod, its logs and other subresources included; repeat for several
    #[arg(long = "pod", value_name = "NAME", help_heading = "On what [default: all that the role covers]")]
    pub(crate) pods: Vec<String>,

    /// Only this Secret; repeat for several
    #[arg(long = "secret", value_name = "NAME", help_heading = "On what [default: all that the role covers]")]
    pub(crate) secrets: Vec<String>,

    /// Only this ConfigMap; repeat for several
    #[arg(long = "configmap", value_name = "NAME", help_heading = "On what [default: all that the role covers]")]
    pub(crate) configmaps: Vec<String>,

    /// Only this node; repeat for several
    #[arg(long = "node", value_name = "NAME", help_heading = "On what [default: all that the role covers]")]
    pub(crate) nodes: Vec<String>,

    /// Only this, e.g. deployments.apps/web, pods/log/web-1, or pods for every pod; repeat for several
    #[arg(long = "resource", value_name = "TYPE/NAME", help_heading = "On what [default: all that the role covers]")]
    pub(crate) resources: Vec<String>,

    /// Only this verb on the resources named, e.g. get; repeat for several [default: the role's]
    #[arg(long = "verb", value_name = "VERB", help_heading = "On what [default: all that the role covers]")]
    pub(crate) verbs: Vec<String>,

    /// How long, e.g. 45m or 1h30m [default: the role's own]
    #[arg(long = "for", visible_alias = "duration", value_name = "TIME", help_heading = "On which terms")]
    pub(crate) duration: Option<String>,

    /// Not before this instant, e.g. 2026-12-01T08:00:00Z [default: once approved]
    #[arg(long = "start", value_name = "INSTANT", help_heading = "On which terms")]
    pub(crate) start_at: Option<String>,

    /// How pressing it is [default: normal]
    #[arg(long, value_enum, ignore_case = true, value_name = "HOW", help_heading = "On which terms")]
    pub(crate) urgency: Option<UrgencyWord>,

    /// A ticket or incident
    #[arg(long, value_name = "ID", help_heading = "On which terms")]
    pub(crate) ticket: Option<String>,

    /// How the access reaches you [default: the role's first]
    #[arg(long, value_enum, ignore_case = true, value_name = "HOW", help_heading = "On which terms")]
    pub(crate) delivery: Option<DeliveryWord>,
}

/// The wire's `Urgency`, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum UrgencyWord {
    Low,
    Normal,
    High,
    Critical,
}

/// The wire's `Delivery`, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeliveryWord {
    // Through the gateway, with your own credential.
    Gateway,
    // By a token of its own.
    Token,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) ask: AskArgs,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    #[command(flatten)]
    pub(crate) ask: AskArgs,

    /// Why: shown to approvers, kept for auditors
    #[arg(long, visible_alias = "justification", value_name = "TEXT", help_heading = "On which terms")]
    pub(crate) reason: String,

    /// Return when it is active or refused [default: true on a terminal]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(crate) wait: Option<bool>,

    /// With --wait, give up after this time; the request stays [default: never]
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,

    /// Only say what would be decided; nothing is created
    #[arg(long, value_name = "MODE", num_args = 0..=1, require_equals = true, default_missing_value = "server", value_parser = ["server"])]
    pub(crate) dry_run: Option<String>,

    #[command(flatten)]
    pub(crate) output: Output,
}

impl RequestArgs {
    pub(crate) fn format(&self) -> Format {
        self.output.format()
    }
}
