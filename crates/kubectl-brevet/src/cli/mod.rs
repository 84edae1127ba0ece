//! The words of the command line: verbs, flags, help.
//!
//! Promises: every verb's help opens with the task and ends in a command that works; what clap can
//! refuse is refused before anything is read or written (exit code 2).
//!
//! Left out on purpose: durations and resources, which core reads so that the plugin and the server
//! never disagree; and `--as`, because who asks must be who authenticated.

mod ask;
mod direct;
mod name;
mod narrow;
mod policy;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use ask::{AskArgs, DeliveryWord, ExplainArgs, RequestArgs, UrgencyWord};
pub(crate) use direct::DirectArgs;
pub(crate) use narrow::NarrowArgs;
pub(crate) use policy::{DiffArgs, LintArgs, PolicyArgs, PolicyVerb, TestArgs};

/// Ask for access in Kubernetes, use it for a while, give it back
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-brevet",
    bin_name = "kubectl brevet",
    version,
    propagate_version = false,
    max_term_width = 100,
    after_help = "\
Example, as the one who needs access:
  kubectl brevet request view-logs -n shop --pod web-1 --for 30m --reason 'checkout errors'
  kubectl brevet exec view-logs-x7k2p -- kubectl logs web-1
  kubectl brevet release view-logs-x7k2p

Example, as the one who decides:
  kubectl brevet list --reviewable
  kubectl brevet approve view-logs-x7k2p

Exit codes: 0 done, 1 refused, 2 failed; `exec` and `shell` pass on the command's own."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Flags that every verb takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The kubeconfig file to use instead of $KUBECONFIG or ~/.kube/config
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// The kubeconfig context to use; the current one is never changed
    #[arg(long, global = true, value_name = "NAME", help_heading = "Everywhere")]
    pub(crate) context: Option<String>,

    /// Colours: auto is on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorWhen::Auto, help_heading = "Everywhere", hide_possible_values = false)]
    pub(crate) color: ColorWhen,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    Auto,
    Always,
    Never,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    // For people
    #[default]
    #[value(skip)]
    Table,
    // For people with room
    Wide,
    // Only names, as kubectl takes them
    Name,
    // For programs
    Json,
    // For programs and people
    Yaml,
}

/// `-o`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Output {
    /// How to print the result [default: for people]
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum)]
    output: Option<Format>,
}

impl Output {
    pub(crate) fn format(self) -> Format {
        self.output.unwrap_or_default()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the tasks that can be asked for
    #[command(after_help = "Example: kubectl brevet roles -o wide")]
    Roles(RolesArgs),

    /// Show what a task would give, what that adds to what you have, and who may approve
    #[command(override_usage = ask::EXPLAIN_USAGE, after_help = ask::EXPLAIN_EXAMPLE)]
    Explain(ExplainArgs),

    /// Ask for a task on exact resources, for a while
    #[command(override_usage = ask::REQUEST_USAGE, after_help = ask::REQUEST_EXAMPLES)]
    Request(RequestArgs),

    /// List your requests and those you may decide on
    #[command(visible_alias = "ls", after_help = "Example: kubectl brevet list --reviewable")]
    List(ListArgs),

    /// Show one request: terms, approvals, window, history
    #[command(after_help = "Example: kubectl brevet get view-logs-x7k2p")]
    Get(GetArgs),

    /// Approve a request, on exactly the terms shown
    #[command(after_help = "\
The digest of the terms is computed again from what is shown, so what you see is what you attest.
With --narrow-… you approve less than was asked for; whoever approved before then approves again.

Example: kubectl brevet approve view-logs-x7k2p --comment 'go ahead'
         kubectl brevet approve view-logs-x7k2p --narrow-for 10m --narrow-pod web-1")]
    Approve(ApproveArgs),

    /// Deny a request
    #[command(after_help = "Example: kubectl brevet deny view-logs-x7k2p --comment 'use the staging cluster'")]
    Deny(DecideArgs),

    /// Take your own request back before it is in force
    #[command(after_help = "Example: kubectl brevet withdraw view-logs-x7k2p")]
    Withdraw(WithdrawArgs),

    /// Give your access back early
    #[command(after_help = "\
Returns when the access is confirmed to be gone.

Example: kubectl brevet release view-logs-x7k2p")]
    Release(ReleaseArgs),

    /// Record that you have looked at what somebody did after breaking glass
    #[command(after_help = "Example: kubectl brevet review drain-node-x7k2p --comment 'as described in INC-42'")]
    Review(DecideArgs),

    /// End somebody's access now, or that of everybody concerned
    #[command(after_help = "\
Returns when the access is confirmed to be gone. The flags that choose several are narrowed by one another.

Example: kubectl brevet revoke view-logs-x7k2p --comment 'incident closed'
         kubectl brevet revoke --user alice --namespace shop")]
    Revoke(RevokeArgs),

    /// Wait until a request is active, or over
    #[command(after_help = "Example: kubectl brevet wait view-logs-x7k2p --for active --timeout 10m")]
    Wait(WaitArgs),

    /// Write a kubeconfig with a context for a grant
    #[command(
        name = "use",
        after_help = "\
The file ~/.kube/brevet/NAME.yaml holds a cluster and the context brevet-NAME, and no credential: the
user of your own kubeconfig is used. Your kubeconfig and its current context stay as they are.

Example: eval \"$(kubectl brevet use view-logs-x7k2p)\" && kubectl logs web-1"
    )]
    Use(UseArgs),

    /// Run one command through a grant
    #[command(after_help = "Example: kubectl brevet exec view-logs-x7k2p -- kubectl logs web-1 --tail 20")]
    Exec(ExecArgs),

    /// Open a shell in which kubectl goes through a grant
    #[command(after_help = "Example: kubectl brevet shell view-logs-x7k2p")]
    Shell(ShellArgs),

    /// Try, check and compare policies before they are merged
    #[command(after_help = policy::POLICY_HELP)]
    Policy(PolicyArgs),

    /// Check that Brevet works here, and for you
    #[command(after_help = "Example: kubectl brevet doctor")]
    Doctor(DoctorArgs),

    /// Print the versions of this plugin and of the cluster
    #[command(after_help = "Example: kubectl brevet version --client")]
    Version(VersionArgs),

    /// Print a completion script
    #[command(after_help = "\
kubectl completes plugins through a program named kubectl_complete-brevet on your PATH, in any shell
whose kubectl completion is loaded. The script `kubectl` is that program:

Example: kubectl brevet completion kubectl > ~/.local/bin/kubectl_complete-brevet &&
         chmod +x ~/.local/bin/kubectl_complete-brevet")]
    Completion(CompletionArgs),

    /// Answer kubectl_complete-brevet
    #[command(name = "__complete", hide = true, disable_help_flag = true)]
    Complete(CompleteArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RolesArgs {
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only your own
    #[arg(long, conflicts_with = "reviewable")]
    pub(crate) mine: bool,

    /// Only what waits for a decision or a review that you may make
    #[arg(long)]
    pub(crate) reviewable: bool,

    /// Only requests for this namespace; repeat for several
    #[arg(short, long = "namespace", value_name = "NS")]
    pub(crate) namespaces: Vec<String>,

    /// Go on, printing what changes, until interrupted
    #[arg(short, long)]
    pub(crate) watch: bool,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The request
    #[arg(value_name = "NAME", value_parser = name::read)]
    pub(crate) name: String,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    #[command(flatten)]
    pub(crate) decide: DecideArgs,

    #[command(flatten)]
    pub(crate) narrow: NarrowArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    /// The request
    #[arg(value_name = "NAME", value_parser = name::read)]
    pub(crate) name: String,

    /// A word to the requester and to auditors
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) comment: String,

    /// Decide without being asked; needed where there is no terminal
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// How long to wait until the decision has taken effect; 0s not to
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub(crate) timeout: String,
}

#[derive(Debug, Args)]
pub(crate) struct WithdrawArgs {
    /// The request
    #[arg(value_name = "NAME", value_parser = name::read)]
    pub(crate) name: String,

    /// A word to approvers and auditors
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) comment: String,

    /// How long to wait until it is withdrawn; 0s not to
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(crate) timeout: String,
}

#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    /// The request whose access you give back
    #[arg(value_name = "NAME", value_parser = name::read)]
    pub(crate) name: String,

    /// A word to auditors
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) comment: String,

    /// How long to wait until the access is confirmed to be gone
    #[arg(long, value_name = "TIME", default_value = "1m")]
    pub(crate) timeout: String,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("several").multiple(true)))]
pub(crate) struct RevokeArgs {
    /// The request whose access ends
    #[arg(value_name = "NAME", value_parser = name::read, required_unless_present = "several", conflicts_with = "several")]
    pub(crate) name: Option<String>,

    /// Every access by this role
    #[arg(long, value_name = "ROLE", group = "several", help_heading = "Whose")]
    pub(crate) role: Option<String>,

    /// Every access of this user
    #[arg(long, value_name = "NAME", group = "several", help_heading = "Whose")]
    pub(crate) user: Option<String>,

    /// Every access to this namespace
    #[arg(short, long, value_name = "NS", group = "several", help_heading = "Whose")]
    pub(crate) namespace: Option<String>,

    /// Every access that this policy gave
    #[arg(long, value_name = "NAME", group = "several", help_heading = "Whose")]
    pub(crate) policy: Option<String>,

    /// Every access that you may end
    #[arg(long, group = "several", help_heading = "Whose")]
    pub(crate) all: bool,

    /// A word to the holder and to auditors
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) comment: String,

    /// Revoke without being asked; needed where there is no terminal
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// How long to wait until the access is confirmed to be gone
    #[arg(long, value_name = "TIME", default_value = "1m")]
    pub(crate) timeout: String,
}

/// What `wait` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    // The access is in force
    Active,
    // The request is over, in whatever way, and the access confirmed to be gone
    Ended,
}

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// The request
    #[arg(value_name = "NAME", value_parser = name::read)]
    pub(crate) name: String,

    /// What to wait for: active is in force, ended is over and confirmed to be gone
    #[arg(long = "for", value_name = "WHAT", value_enum, default_value_t = Until::Active)]
    pub(crate) until: Until,

    /// Give up after this time, e.g. 10m [default: never]
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct UseArgs {
    /// The request whose access you use
    #[arg(value_name = "NAME", value_parser = name::read)]
    pub(crate) name: String,

    /// The namespace of the context [default: the grant's]
    #[arg(short, long, value_name = "NS")]
    pub(crate) namespace: Option<String>,

    #[command(flatten)]
    pub(crate) direct: DirectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    /// The request whose access you use
    #[arg(value_name = "NAME", value_parser = name::read)]
    pub(crate) name: String,

    /// The namespace of the context [default: the grant's]
    #[arg(short, long, value_name = "NS")]
    pub(crate) namespace: Option<String>,

    #[command(flatten)]
    pub(crate) direct: DirectArgs,

    /// The command and its arguments, after --
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct ShellArgs {
    /// The request whose access you use
    #[arg(value_name = "NAME", value_parser = name::read)]
    pub(crate) name: String,

    /// The namespace of the context [default: the grant's]
    #[arg(short, long, value_name = "NS")]
    pub(crate) namespace: Option<String>,

    #[command(flatten)]
    pub(crate) direct: DirectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The namespace in which your right to decide is looked up [default: the context's]
    #[arg(short, long, value_name = "NS")]
    pub(crate) namespace: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Only this plugin's; the cluster is not asked
    #[arg(long)]
    pub(crate) client: bool,

    #[command(flatten)]
    pub(crate) output: Output,
}

/// What `completion` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Script {
    /// The program kubectl_complete-brevet, for `kubectl brevet`, names of roles and requests included
    Kubectl,
    /// For `kubectl-brevet` in bash
    Bash,
    /// For `kubectl-brevet` in zsh
    Zsh,
    /// For `kubectl-brevet` in fish
    Fish,
    /// For `kubectl-brevet` in PowerShell
    Powershell,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionArgs {
    /// Which script
    #[arg(value_enum)]
    pub(crate) script: Script,
}

#[derive(Debug, Args)]
pub(crate) struct CompleteArgs {
    /// The words typed so far, the last one perhaps unfinished
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_surface_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_reads_as_it_did() {
        let mut root = Cli::command().term_width(100);
        root.build();
        let mut pages = vec![root.render_help().to_string()];
        for verb in root.get_subcommands_mut().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
            let page = verb.render_help();
            pages.push(format!("$ kubectl brevet {} --help\n{page}", verb.get_name()));
            let name = verb.get_name().to_owned();
            for inner in verb.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
                let page = inner.render_help();
                pages.push(format!("$ kubectl brevet {name} {} --help\n{page}", inner.get_name()));
            }
        }
        insta::assert_snapshot!("help", pages.join("\n\n"));
    }

    #[test]
    fn every_verb_ends_its_help_in_an_example() {
        for verb in Cli::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let after = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains(&format!("kubectl brevet {}", verb.get_name())), "{}: {after}", verb.get_name());
            for inner in verb.get_subcommands() {
                let after = inner.get_after_help().map(ToString::to_string).unwrap_or_default();
                let command = format!("kubectl brevet {} {}", verb.get_name(), inner.get_name());
                assert!(after.contains(&command), "{command}: {after}");
            }
        }
    }
}
