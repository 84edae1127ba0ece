//! The flags of `policy`: what its author types before it is merged.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Output;

pub(super) const POLICY_HELP: &str = "\
Nothing here needs a cluster or a kubeconfig: all is read from files, and decided by the code that
decides in the controller.

Example: kubectl brevet policy test policies/";

const TEST_HELP: &str = "\
Files hold AccessPolicies, AccessRoles with their ClusterRoles, Namespaces, CustomResourceDefinitions
and PolicyTests; all files together are one cluster. The catalogue that ships with Brevet is there
unless a file holds a role of the same name. How a PolicyTest is written: docs/guide/policies.md.

Exit codes: 0 all cases as expected, 1 some not, 2 a file cannot be used.

Example: kubectl brevet policy test policies/ --junit report.xml";

const LINT_HELP: &str = "\
Errors are what does not work, warnings what works and is likely not meant.

Exit codes: 0 no errors, 1 errors (with --strict: or warnings), 2 a file cannot be used.

Example: kubectl brevet policy lint policies/ --strict";

const DIFF_HELP: &str = "\
Requests are what `kubectl get accessrequests -o json` prints, or PolicyTests. Limits on use are not
replayed for past requests. Labels of their namespaces come from Namespaces in files, as
`kubectl get namespaces -o json` prints them.

Exit codes: 0 nobody's outcome changes, 1 somebody's does, 2 that cannot be told.

Example: kubectl brevet policy diff policies/ new-policies/ --requests requests.json --with namespaces.json";

#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    pub(crate) verb: PolicyVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyVerb {
    /// Try policies on the cases that are written down for them
    #[command(after_help = TEST_HELP)]
    Test(TestArgs),

    /// Say what is wrong with policies, or likely not meant
    #[command(after_help = LINT_HELP)]
    Lint(LintArgs),

    /// Show whose outcome changes from some policies to others
    #[command(after_help = DIFF_HELP)]
    Diff(DiffArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Files and folders; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Write a JUnit report there too
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Files and folders; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Warnings count as errors
    #[arg(long)]
    pub(crate) strict: bool,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The policies as they are
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,

    /// The policies as they would be
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,

    /// AccessRequests or PolicyTests; repeat for several
    #[arg(long, required = true, value_name = "FILE")]
    pub(crate) requests: Vec<PathBuf>,

    /// Namespaces and roles that are there in both; repeat for several
    #[arg(long, value_name = "FILE")]
    pub(crate) with: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) output: Output,
}
