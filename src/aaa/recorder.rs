//! Where decisions put what must be durable before the gateway hears of it.

use super::{AccountingKind, RejectReason};
use crate::address::Address;
use crate::event::EventSink;
use crate::identity::{GatewayId, Iccid, VsliceId};
use crate::network::{EndpointState, KeyPreset, OrderKey, OrderPhase, Restart, SessionOrder};
use crate::provisioning::{CatalogObject, Endpoint, Fingerprint, Revision, StockEntry};
use crate::time::Timestamp;

/// Receives the records of a decision. The shell writes them to the journal; a test may just count
/// them.
///
/// Called while the endpoint's entry is held, so that the order of records is the order of changes.
pub trait Recorder {
    /// The new dynamic state of one endpoint; the newest version wins.
    fn endpoint(&mut self, iccid: Iccid, state: &EndpointState);

    /// An endpoint was provisioned, or provisioned differently; `None`: it was removed.
    fn provisioned(&mut self, iccid: Iccid, stamp: Revision, endpoint: Option<&Endpoint>);

    /// An object of the catalog is new, or other than it was.
    fn object(&mut self, object: &CatalogObject);

    /// A SIM came into the stock, is other than it was, or left it (`None`). Nobody but who
    /// provisions changes the stock: all others need not know.
    fn stock(&mut self, _: Iccid, _version: u64, _: Option<&StockEntry>) {}

    /// An inventory is in force, wholly: adopting the same files once more would change nothing,
    /// and say nothing. `None`: this is so no longer.
    fn inventory(&mut self, fingerprint: Option<Fingerprint>);

    /// What was recorded so far has to lie in the journal before whatever anybody records from now
    /// on.
    fn hand_over(&mut self) {}

    /// Called now and then in a long change, while nothing is held: may wait until the journal has
    /// room for more.
    fn wait_for_room(&mut self) {}

    /// A gateway restarted: its older sessions are over.
    fn restart(&mut self, restart: &Restart);

    /// A gateway is to be told something about a session; `None`: that is done. Hand one that is
    /// requested to [`super::SessionOrders::release`] once everything recorded so far is durable.
    fn order(
        &mut self,
        _key: OrderKey,
        _version: u64,
        _order: Option<(&SessionOrder, OrderPhase)>,
    ) {
    }

    /// A gateway knows its sessions by these keys.
    fn learnt(&mut self, _gateway: GatewayId, _preset: KeyPreset) {}

    /// The job that this change is a part of.
    fn job(&self) -> Option<u64> {
        None
    }

    /// Recorded and answered, without effect.
    fn noted(&mut self, note: &Note);

    /// Something to be told of what is recorded beside it, in the same commit; `write` appends its
    /// octets.
    fn event(&mut self, iccid: Option<Iccid>, at: Timestamp, write: &mut dyn FnMut(&mut Vec<u8>)) {
        let _ = (iccid, at, write);
    }

    /// An address that is to become free: hand it to [`super::Aaa::free`] once everything recorded
    /// so far is durable.
    fn freed(&mut self, freed: FreedAddress);
}

/// Puts events where the records of a decision are put.
pub(super) struct RecorderSink<'r, R>(pub &'r mut R);

impl<R: Recorder> EventSink for RecorderSink<'_, R> {
    fn event(&mut self, iccid: Option<Iccid>, at: Timestamp, write: &mut dyn FnMut(&mut Vec<u8>)) {
        self.0.event(iccid, at, write);
    }
}

/// An accounting report that moved nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    pub at: Timestamp,
    pub kind: AccountingKind,
    /// The endpoint, if it could be named.
    pub iccid: Option<Iccid>,
    /// Why the endpoint was refused, if that is why nothing moved.
    pub refused: Option<RejectReason>,
}

/// An address whose release has been recorded but is not durable yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreedAddress {
    pub iccid: Iccid,
    pub vslice: VsliceId,
    pub ip: Address,
    pub at: Timestamp,
}
