//! The command line: which roles run here, and as whom.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use brevet_core::audit::event;
use clap::{Parser, Subcommand};

use crate::{controller, gateway, telemetry::LogFormat};

/// Brevet: just-in-time privilege elevation for Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "brevet", version, propagate_version = true)]
pub(crate) struct Options {
    /// Where /livez, /readyz and /metrics answer, in plain HTTP; not served without it.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) probe_listen: Option<SocketAddr>,
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Json)]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Decide on requests, make and remove elevation identities.
    Controller {
        /// Credentials; the pod's own without it.
        #[arg(long, value_name = "FILE")]
        kubeconfig: Option<PathBuf>,
        #[command(flatten)]
        keeping: Keeping,
        #[command(flatten)]
        options: controller::Options,
    },
    /// Serve the aggregated API and forward calls under live grants.
    Gateway {
        /// Credentials; the pod's own without it.
        #[arg(long, value_name = "FILE")]
        kubeconfig: Option<PathBuf>,
        #[command(flatten)]
        keeping: Keeping,
        #[command(flatten)]
        options: gateway::Options,
    },
    /// Run every role in one process, for development.
    Serve {
        /// Credentials of the controller.
        #[arg(long, value_name = "FILE")]
        controller_kubeconfig: PathBuf,
        /// Credentials of the gateway; never the controller's: neither may hold both keys.
        #[arg(long, value_name = "FILE")]
        gateway_kubeconfig: PathBuf,
        #[command(flatten)]
        keeping: Keeping,
        #[command(flatten)]
        controller: controller::Options,
        #[command(flatten)]
        gateway: gateway::Options,
    },
    /// Copy an audit log into the form that brevet-verify checks; it may be written meanwhile.
    Export {
        #[command(flatten)]
        keeping: Keeping,
        /// The folder of the export; it must not be there yet.
        #[arg(long, value_name = "DIR")]
        output: PathBuf,
    },
}

/// Where the record of this process goes.
#[derive(Debug, clap::Args)]
struct Keeping {
    /// The folder of this process's audit log; made if it is not there. Nothing is done without an entry in it.
    #[arg(long, value_name = "DIR")]
    audit_dir: PathBuf,
}

/// One role of this process, and as whom it speaks to the cluster.
#[derive(Debug)]
pub(crate) enum Role {
    /// Decides and binds; cannot mint.
    Controller {
        /// Credentials; `None`: the pod's own.
        kubeconfig: Option<PathBuf>,
        /// Its flags.
        options: controller::Options,
    },
    /// Mints and forwards; cannot bind.
    Gateway {
        /// Credentials; `None`: the pod's own.
        kubeconfig: Option<PathBuf>,
        /// Its flags.
        options: gateway::Options,
    },
}

impl Role {
    /// The role's name in logs and probes.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Controller { .. } => "controller",
            Self::Gateway { .. } => "gateway",
        }
    }

    /// Where its credentials are.
    pub(crate) fn kubeconfig(&self) -> Option<&PathBuf> {
        match self {
            Self::Controller { kubeconfig, .. } | Self::Gateway { kubeconfig, .. } => kubeconfig.as_ref(),
        }
    }
}

impl Options {
    /// Where this process keeps its audit log.
    pub(crate) fn audit_dir(&self) -> &Path {
        match &self.command {
            Command::Controller { keeping, .. }
            | Command::Gateway { keeping, .. }
            | Command::Serve { keeping, .. }
            | Command::Export { keeping, .. } => &keeping.audit_dir,
        }
    }

    /// What this process does, for its log.
    pub(crate) fn role(&self) -> event::Role {
        match &self.command {
            Command::Controller { .. } => event::Role::Controller,
            Command::Gateway { .. } => event::Role::Gateway,
            Command::Serve { .. } | Command::Export { .. } => event::Role::Serve,
        }
    }

    /// From where to where a log is to be exported, if that is what was asked for.
    pub(crate) fn export(&self) -> Option<(&Path, &Path)> {
        match &self.command {
            Command::Export { keeping, output } => Some((&keeping.audit_dir, output)),
            _ => None,
        }
    }

    /// The roles this process plays.
    pub(crate) fn roles(self) -> Vec<Role> {
        match self.command {
            Command::Export { .. } => Vec::new(),
            Command::Controller { kubeconfig, options, .. } => vec![Role::Controller { kubeconfig, options }],
            Command::Gateway { kubeconfig, options, .. } => vec![Role::Gateway { kubeconfig, options }],
            Command::Serve { controller_kubeconfig, gateway_kubeconfig, controller, gateway, .. } => vec![
                Role::Controller { kubeconfig: Some(controller_kubeconfig), options: controller },
                Role::Gateway { kubeconfig: Some(gateway_kubeconfig), options: gateway },
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
    }

    #[test]
    fn the_direct_door_opens_only_with_all_it_needs() {
        let parses =
            |more: &[&str]| Options::try_parse_from([&["brevet", "gateway", "--audit-dir=a"], more].concat()).is_ok();
        let door = ["--listen=127.0.0.1:1", "--tls-cert-file=c", "--tls-private-key-file=k"];
        assert!(parses(&[]) && parses(&door));
        assert!(!parses(&["--listen=127.0.0.1:1"]));
        assert!(!parses(&["--client-ca-file=ca"]));
        assert!(!parses(&[&door[..], &["--oidc-issuer-url=https://idp"]].concat()));
        assert!(parses(&[&door[..], &["--oidc-issuer-url=https://idp", "--oidc-client-id=brevet"]].concat()));
        assert!(!parses(&[&door[..], &["--oidc-groups-claim=groups"]].concat()));
    }
}
