//! A real Kubernetes control plane on this machine, for tests and for play.
//!
//! Promises: everything listens on loopback only; several clusters live side by
//! side; a cluster that is dropped, whose process is killed or whose test fails
//! leaves no process behind, and no folder but the logs of a failure.
//!
//! Left out on purpose: a real scheduler (pods get a node in turns) and container images
//! (a pod's commands run on this host, as this user, in a folder of their own).

mod apply;
mod audit;
mod brevet;
mod cluster;
mod control_plane;
mod elevation;
mod faults;
mod fixtures;
mod install;
pub mod issuer;
mod kubeconfig;
mod patience;
mod pki;
pub mod playground;
mod ports;
mod process;
mod records;
mod tree;
mod user;
mod watchdog;

pub use audit::AuditEvent;
pub use brevet::{Brevet, Part, Replica};
pub use cluster::{Cluster, Options};
pub use elevation::Elevation;
pub use faults::{Call, Fault, Faults};
pub use fixtures::{PEOPLE, Person};
pub use issuer::Issuer;
pub use patience::until;
pub use tree::{control_plane_folder, program, repository};
pub use user::{Output, User};
