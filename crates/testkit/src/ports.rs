//! Free ports on loopback.
//!
//! Promises: the ports of one set are free and distinct, because all of them are
//! held open together until the set is released, just before use.
//!
//! They come from below the ranges that systems take for outgoing connections,
//! so that no client can be given one between its release and its use.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Result, bail};

/// First port tried, and how many there are; below 32768, where Linux's own range begins.
const FIRST: u16 = 10_000;
const COUNT: u16 = 22_000;

/// How many ports are looked at before giving up.
const TRIES_MAX: usize = 2_000;

/// Ports that are held open until [`Ports::release`].
pub(crate) struct Ports(Vec<TcpListener>);

impl Ports {
    /// Holds `count` free ports open.
    pub(crate) fn hold(count: usize) -> Result<Self> {
        let mut held = Vec::with_capacity(count);
        for _ in 0..TRIES_MAX {
            if held.len() == count {
                return Ok(Self(held));
            }
            let [high, low, ..] = uuid::Uuid::new_v4().into_bytes();
            let port = FIRST + u16::from_be_bytes([high, low]) % COUNT;
            if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                held.push(listener);
            }
        }
        bail!("found no {count} free ports on 127.0.0.1 between {FIRST} and {}", FIRST + COUNT)
    }

    /// Lets go of all of them and tells their numbers.
    pub(crate) fn release<const N: usize>(self) -> Result<[u16; N]> {
        let ports: Vec<u16> = self.0.iter().map(|listener| Ok(listener.local_addr()?.port())).collect::<Result<_>>()?;
        match <[u16; N]>::try_from(ports) {
            Ok(ports) => Ok(ports),
            Err(ports) => bail!("{N} ports were wanted and {} were held", ports.len()),
        }
    }
}

/// `port` on loopback.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn held_ports_are_distinct_and_free_once_released() {
        let ports: [u16; 8] = Ports::hold(8).unwrap().release().unwrap();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 8);
        for port in ports {
            // A child that another test is just starting holds all files for a moment.
            let free = (0..100_000).any(|_| TcpListener::bind(loopback(port)).is_ok());
            assert!(free, "{port} is still taken");
        }
    }
}
