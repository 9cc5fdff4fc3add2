//! The records of one batch, and what has to wait until they are durable.

use crate::aaa::{FreedAddress, Note, Recorder};
use crate::identity::{GatewayId, Iccid};
use crate::network::{EndpointState, KeyPreset, OrderKey, OrderPhase, Restart, SessionOrder};
use crate::provisioning::{CatalogObject, Endpoint, Fingerprint, Revision};
use crate::time::Timestamp;

/// Passes records on, keeps addresses back, and knows whether anything was recorded.
#[derive(Debug)]
pub struct PendingBatch<R> {
    pub records: R,
    /// Free once the records are durable.
    pub freed: Vec<FreedAddress>,
    /// What gateways may be told then.
    pub orders: Vec<OrderKey>,
    entries: u32,
}

impl<R> PendingBatch<R> {
    pub fn new(records: R) -> Self {
        Self { records, freed: Vec::new(), orders: Vec::new(), entries: 0 }
    }

    /// How many things have been recorded.
    pub const fn entries(&self) -> u32 {
        self.entries
    }

    /// Takes the records out and begins anew with `fresh` ones.
    pub fn take(&mut self, fresh: R) -> R {
        self.entries = 0;
        std::mem::replace(&mut self.records, fresh)
    }
}

impl<R: Recorder> Recorder for PendingBatch<R> {
    fn endpoint(&mut self, iccid: Iccid, state: &EndpointState) {
        self.entries += 1;
        self.records.endpoint(iccid, state);
    }

    fn provisioned(&mut self, iccid: Iccid, stamp: Revision, endpoint: Option<&Endpoint>) {
        self.entries += 1;
        self.records.provisioned(iccid, stamp, endpoint);
    }

    fn object(&mut self, object: &CatalogObject) {
        self.entries += 1;
        self.records.object(object);
    }

    fn inventory(&mut self, fingerprint: Option<Fingerprint>) {
        self.entries += 1;
        self.records.inventory(fingerprint);
    }

    fn restart(&mut self, restart: &Restart) {
        self.entries += 1;
        self.records.restart(restart);
    }

    fn order(&mut self, key: OrderKey, version: u64, order: Option<(&SessionOrder, OrderPhase)>) {
        self.entries += 1;
        self.records.order(key, version, order);
        if order.is_some_and(|(_, phase)| phase == OrderPhase::Requested) {
            self.orders.push(key);
        }
    }

    fn learnt(&mut self, gateway: GatewayId, preset: KeyPreset) {
        self.entries += 1;
        self.records.learnt(gateway, preset);
    }

    fn noted(&mut self, note: &Note) {
        self.entries += 1;
        self.records.noted(note);
    }

    fn event(&mut self, iccid: Option<Iccid>, at: Timestamp, write: &mut dyn FnMut(&mut Vec<u8>)) {
        self.entries += 1;
        self.records.event(iccid, at, write);
    }

    fn freed(&mut self, freed: FreedAddress) {
        self.entries += 1;
        self.freed.push(freed);
    }
}
