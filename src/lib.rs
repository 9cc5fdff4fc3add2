//! attachd: the AAA server that mobile packet gateways talk RADIUS to when an IoT SIM attaches, and the simulator of those gateways.
//!
//! # The map
//!
//! ```text
//!                    cli ── config
//!                     │       │
//!          ┌──────────┴───────┴──────────┐
//!        server                      simulator        shells: sockets, threads, clocks
//!       ┌──┼────────┐                    │
//!      aaa journal wire, udp ───────── wire, udp      aaa decides; journal keeps; wire speaks; udp carries
//!    ┌──┼──┐  │
//! network pool provisioning                           what happens; addresses; what may exist
//!    └──┴──┴─ identity, time, prefetch                the ground
//! ```
//!
//! Arrows only fall; the test `house` enforces it. A room is a folder:
//!
//! - [`identity`], [`time`]: ICCID, IMSI, MSISDN, APN, moniker; a point in time. Know nothing.
//! - [`prefetch`]: memory asked for before it is needed. Knows nothing either.
//! - [`printable`]: text of others, fit for a terminal, a log line or a page. Knows nothing.
//! - [`wire`]: octets ↔ RADIUS values, with the one table of attributes. Pure, and on the way in without allocation.
//! - [`udp`]: batches of datagrams in and out of the kernel. Knows nothing of RADIUS; the one room of unsafe code (a call each in two others).
//! - [`provisioning`]: what may exist: VSlices, subnets, groups, endpoints, their state machine, the inventory and its files.
//! - [`network`]: what is happening: the network-state machine, sessions, leases, and the tracker of all endpoints by ICCID.
//! - [`pool`]: the addresses of one subnet.
//! - [`aaa`]: the decision. Request, one endpoint's state and the time in; verdict and records out.
//! - [`journal`]: records → durable octets, and back after a crash.
//! - [`server`]: the shell around the decision: sockets and workers, gateways, duplicates, commit before reply, metrics, HTTP.
//! - [`exchange`]: the RADIUS client as a pure machine: identifiers, retransmission, fail-over, what a reply means.
//! - [`timers`]: a timer wheel. Knows only [`time`].
//! - [`tokens`]: who may use the management API: the file of the tokens, and the check of one.
//! - [`simulator`]: the gateway's side: devices and gateways as pure machines, a referee, and the driver that gives them sockets.
//! - [`config`], [`cli`]: files and words → checked values; one file a verb.
//!
//! # One packet's journey
//!
//! A worker receives a batch. For each datagram: source address → gateway → secret; framing and code; authenticators; duplicate?
//! What is left is translated into an [`aaa::AccessRequest`] or [`aaa::AccountingRequest`] and decided while the endpoint's entry is
//! held; the decision writes its records into the worker's batch and the reply is signed. The batch goes to the journal, and the reply
//! waits until its records are durable: **a reply is a receipt**. Then all replies of the batch leave, grouped by peer.
//!
//! # Deliberately absent
//!
//! No timers per session: what is due is settled when an endpoint is touched, and a walk touches everyone in turn. No owner index by
//! address: an address means nothing without its VSlice, and the lease knows whose it is. No EAP, no proxying, no CoA, no TLS.

pub mod aaa;
pub mod cli;
pub mod config;
pub mod exchange;
pub mod identity;
pub mod journal;
pub mod network;
pub mod pool;
pub mod prefetch;
pub mod printable;
pub mod provisioning;
pub mod server;
pub mod simulator;
pub mod time;
pub mod timers;
pub mod tokens;
pub mod udp;
pub mod wire;
