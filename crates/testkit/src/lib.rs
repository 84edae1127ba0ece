//! A real Kubernetes control plane on this machine, for tests and for play.

#![allow(dead_code, unreachable_pub)]
mod kubeconfig;
mod patience;
mod pki;
mod ports;
mod process;
mod tree;
mod watchdog;

pub use patience::until;
pub use process::Daemon;
pub use tree::{program, repository};
