//! attachd: the AAA server that mobile packet gateways talk RADIUS to when an IoT SIM attaches, and
//! the simulator of those gateways.
//!
//! # The map
//!
//! ```text
//!               cli ── config
//!                │        │
//!        ┌───────┴────────┴────────┐
//!      server                  simulator          shells: sockets, threads, clocks
//!     ┌──┴──┐                      │
//!    api  radius                   │              HTTP; RADIUS
//!     └──┬──┴───────┐           exchange          the RADIUS client
//!   metrics  runtime keeping       │              what the shells share; the way into the journal
//!        ┌──────────┼──────┐       │
//!       aaa      record    │      wire, udp       decides; what is recorded; octets
//!    ┌───┼───┐      └── journal                   records → durable octets
//! network pool provisioning                       what happens; addresses; what may exist
//!    └───┴───┴─ identity, address, time, timers, prefetch  the ground
//! ```
//!
//! Imports only point down; the test `house` enforces it. A room is a folder:
//!
//! - [`identity`], [`address`], [`time`], [`timers`], [`prefetch`]: ICCID, IMSI, MSISDN, APN,
//!   moniker; IPv4 addresses and IPv6 prefixes; a point in time; a timer wheel; memory that is asked
//!   for before it is needed. They know nothing of the rest.
//! - [`wire`]: octets ↔ RADIUS values, with the one table of attributes. Pure, and on the way in
//!   without allocation.
//! - [`tls`]: certificates, and connections of rustls without their sockets.
//! - [`udp`]: batches of datagrams in and out of the kernel. Knows nothing of RADIUS; nearly all
//!   unsafe code is here.
//! - [`provisioning`]: what may exist: VSlices, subnets, groups, endpoints, their state machine,
//!   the inventory and its files.
//! - [`network`]: what is happening: the network-state machine, sessions, leases, and the tracker
//!   of all endpoints by ICCID.
//! - [`policy`]: where, by which radio and with which device an endpoint may be used.
//! - [`pool`]: the addresses of a VSlice.
//! - [`aaa`]: the decision. Request, one endpoint's state and the time in; verdict and records out.
//! - [`record`]: what is recorded of a decision, as octets. [`journal`]: octets made durable, and
//!   read back after a crash.
//! - [`event`]: what is told of a change, as JSON, and which types anybody wants.
//! - [`delivery`]: the queue of one receiver of events as a pure machine. [`outlets`]: the shell that
//!   posts them.
//! - [`message_log`]: messages that were committed, in files of their own, to be read from a cursor.
//! - [`keeping`]: the way into the journal: records in, tickets out; and out of it: messages.
//! - [`runtime`], [`metrics`]: what the shells of the server share: clocks, health, reloads;
//!   everything that is counted.
//! - [`radius`]: the RADIUS shell: workers, gateways, duplicates, commit before reply.
//! - [`api`]: the HTTP shell. [`dashboard`]: pages for people, made of its answers. [`tokens`]: the file of API tokens. [`server`]: start-up, shutdown,
//!   signals, reloads, snapshots: wires the shells.
//! - [`exchange`]: the RADIUS client: identifiers, retransmission, fail-over. [`simulator`]:
//!   devices and gateways as pure machines, a referee, and the driver that gives them sockets.
//! - [`migrate`]: the configuration of another RADIUS server, as ours.
//! - [`config`], [`cli`]: files and words → checked values; one file a verb.
//!
//! # One packet's journey
//!
//! A worker receives a batch. For each datagram: source address → gateway → secret; framing and
//! code; authenticators; duplicate? What is left is translated into an [`aaa::AccessRequest`] or
//! [`aaa::AccountingRequest`] and decided while the endpoint's entry is held; the decision writes
//! its records into the worker's batch, and the reply is signed. The batch goes to the journal, and
//! the reply waits until its records are durable: **a reply is a receipt**. Then all replies of the
//! batch leave, grouped by peer.
//!
//! # Deliberately absent
//!
//! No timers per session: what is due is settled when an endpoint is touched, and a walk touches
//! everyone in turn. No index of addresses over VSlices: an address means nothing without its VSlice,
//! whose space of addresses knows the owner of each. No EAP, no proxying, no DTLS.

pub mod aaa;
pub mod address;
pub mod api;
pub mod cli;
pub mod config;
pub mod dashboard;
pub mod delivery;
pub mod dynamic_authorization;
pub mod event;
pub mod exchange;
pub mod identity;
pub mod journal;
pub mod keeping;
pub mod message_log;
pub mod metrics;
pub mod migrate;
pub mod network;
pub mod outlets;
pub mod policy;
pub mod pool;
pub mod prefetch;
pub mod printable;
pub mod provisioning;
pub mod radius;
pub mod record;
pub mod runtime;
pub mod server;
pub mod simulator;
pub mod time;
pub mod timers;
pub mod tls;
pub mod tokens;
pub mod udp;
pub mod wire;
