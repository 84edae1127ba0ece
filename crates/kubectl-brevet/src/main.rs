//! `kubectl brevet`: ask for access, see it, approve it, use it, give it back.
//!
//! Promises: results on standard output and everything else on standard error; exit code 0 done, 1
//! refused, 2 failed, or a command's own; no credential is ever written, printed or sent anywhere but
//! to the user's own cluster.
//!
//! In reading order: what is typed ([`cli`], [`asked`]), where the cluster is ([`origin`],
//! [`cluster`]), what is seen and signed ([`entry`], [`sheet`], [`attest`]), what is written
//! ([`grant_file`]), policies tried without a cluster ([`trial`]), and each verb ([`verbs`]).

mod cli;

mod asked;
mod prepare;

mod cluster;
mod follow;
mod origin;

mod attest;
mod entry;
mod outcome;
mod sheet;

mod grant_file;
mod shells;

mod clock;
mod plain;
mod print;
mod problem;
mod spans;

mod trial;

mod verbs;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;
use crate::problem::Problem;

fn main() -> ExitCode {
    // Fails only if one is installed already, and then there is one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = Cli::parse();
    print::set_color(cli.global.color);
    let code = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(verbs::run(cli)));
    match code {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let problem = error.downcast::<Problem>().unwrap_or_else(|error| Problem::failed(format!("{error:#}")));
            print::complain(&problem);
            ExitCode::from(problem.outcome.code())
        }
    }
}
