//! How much one peer may take of a door.
//!
//! Promises: connections are counted for the whole door and for each address;
//! one beyond either number is closed at once, without a handshake. Where a
//! connection belongs to one client, one that opens streams only to reset them
//! is reset itself.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use super::socket::Grip;
use crate::gateway::limits;

/// The bounds of one door.
#[derive(Clone, Copy, Debug)]
pub(in crate::gateway) struct Bounds {
    /// Connections at once.
    pub(in crate::gateway) connections_max: usize,
    /// Of them, those of one address.
    pub(in crate::gateway) connections_per_address_max: usize,
    /// Streams that a client may open and reset before this end has seen them (HTTP/2).
    pub(in crate::gateway) pending_resets_max: usize,
    /// Whether a connection is one client's, so that it may be punished for what it does. kube-apiserver
    /// shares its connections among all users.
    pub(in crate::gateway) has_own_connections: bool,
}

impl Bounds {
    /// Of the aggregated door.
    pub(in crate::gateway) const AGGREGATED: Self = Self {
        connections_max: limits::CONNECTIONS_MAX,
        connections_per_address_max: limits::CONNECTIONS_MAX,
        pending_resets_max: limits::STREAMS_PER_CONNECTION_MAX as usize,
        has_own_connections: false,
    };
}

/// The connections that are open, by address.
#[derive(Debug, Default)]
pub(super) struct Crowd(Mutex<HashMap<IpAddr, usize>>);

/// A place in the crowd; left when dropped.
pub(super) struct Place {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Crowd {
    /// A place for one more connection of `address`, if there is any.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr, max: usize) -> Option<Place> {
        let mut open = self.lock();
        let count = open.entry(address).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Place { crowd: self.clone(), address })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.crowd.lock();
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// Streams of one connection that were reset before they were answered.
pub(super) struct Resets {
    connection: Grip,
    counted: Mutex<(Instant, u32)>,
}

/// A stream that is not answered yet.
pub(super) struct Unanswered(Option<Arc<Resets>>);

impl Resets {
    /// Of the connection behind `connection`.
    pub(super) fn of(connection: Grip) -> Arc<Self> {
        Arc::new(Self { connection, counted: Mutex::new((Instant::now(), 0)) })
    }

    fn count(&self) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.0.elapsed() > limits::RESETS_WINDOW {
            *counted = (Instant::now(), 0);
        }
        counted.1 += 1;
        if counted.1 > limits::RESETS_MAX {
            tracing::debug!("a connection that resets its streams all the time was reset");
            self.connection.reset();
        }
    }
}

impl Unanswered {
    /// A stream of a connection that is counted, where it is.
    pub(super) fn new(resets: Option<Arc<Resets>>) -> Self {
        Self(resets)
    }

    /// It is answered now.
    pub(super) fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(resets) = &self.0 {
            resets.count();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_places() {
        let crowd = Arc::new(Crowd::default());
        let (one, two) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let held: Vec<_> = (0..3).map(|_| crowd.enter(one, 3).unwrap()).collect();
        assert!(crowd.enter(one, 3).is_none());
        assert!(crowd.enter(two, 3).is_some());
        drop(held);
        assert!(crowd.enter(one, 3).is_some());
        assert!(crowd.lock().is_empty());
    }

    #[test]
    fn an_answered_stream_is_no_reset() {
        let resets = Resets::of(Grip::default());
        Unanswered::new(Some(resets.clone())).answered();
        assert_eq!(resets.counted.lock().unwrap().1, 0);
        drop(Unanswered::new(Some(resets.clone())));
        assert_eq!(resets.counted.lock().unwrap().1, 1);
    }
}
