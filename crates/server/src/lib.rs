//! What both rooms of the server stand on, and what a benchmark may link: the
//! clock, probes, metrics, and the store of the audit log.
//!
//! The rooms themselves, [`controller`] and [`gateway`], are the binary's.
//!
//! [`controller`]: ../brevet/controller/index.html
//! [`gateway`]: ../brevet/gateway/index.html

pub mod clock;
pub mod probes;
pub mod record;
pub mod telemetry;
