//! What each verb does: one file a verb, or a few that do the same.
//!
//! Promises: the answer of a verb is its exit code; what it found is on standard output, what it says
//! about it on standard error.
//!
//! Left out on purpose: `audit` and `install`, which are not built yet.

mod complete;
mod decide;
mod doctor;
mod enter;
mod explain;
mod list;
mod policy;
mod request;
mod review;
mod revoke;
mod roles;
mod show;
mod version;
mod wait;

use crate::cli::{Cli, Global, Verb};
use crate::cluster::Cluster;
use crate::origin::Wish;
use crate::problem::Problem;

/// An exit code: 0 done, 1 refused, 2 failed, or a command's own.
pub(crate) type Code = u8;

/// Done.
const DONE: Code = 0;

/// Does what was asked.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<Code> {
    let global = cli.global;
    match cli.verb {
        Verb::Roles(args) => roles::run(&reach(&global).await?, &args).await,
        Verb::Explain(args) => explain::run(&reach(&global).await?, &args).await,
        Verb::Request(args) => request::run(&reach(&global).await?, &args).await,
        Verb::List(args) => list::run(&reach(&global).await?, &args).await,
        Verb::Get(args) => show::run(&reach(&global).await?, &args).await,
        Verb::Approve(args) => decide::approve(&reach(&global).await?, &args).await,
        Verb::Deny(args) => decide::deny(&reach(&global).await?, &args).await,
        Verb::Withdraw(args) => decide::withdraw(&reach(&global).await?, &args).await,
        Verb::Release(args) => decide::release(&reach(&global).await?, &args).await,
        Verb::Review(args) => review::run(&reach(&global).await?, &args).await,
        Verb::Revoke(args) => revoke::run(&reach(&global).await?, &args).await,
        Verb::Wait(args) => wait::run(&reach(&global).await?, &args).await,
        Verb::Use(args) => enter::use_grant(&reach(&global).await?, &args).await,
        Verb::Exec(args) => enter::exec(&reach(&global).await?, &args).await,
        Verb::Shell(args) => enter::shell(&reach(&global).await?, &args).await,
        Verb::Policy(args) => policy::run(&args),
        Verb::Doctor(args) => doctor::run(&reach(&global).await?, &args).await,
        Verb::Version(args) => version::run(&wish(&global), &args).await,
        Verb::Completion(args) => complete::script(args.script),
        Verb::Complete(args) => complete::answer(&args.words).await,
    }
}

async fn reach(global: &Global) -> Result<Cluster, Problem> {
    Cluster::reach(&wish(global)).await
}

fn wish(global: &Global) -> Wish {
    Wish { kubeconfig: global.kubeconfig.clone(), context: global.context.clone() }
}
