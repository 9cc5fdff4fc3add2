//! What gateways are to be told about sessions, until they have been: Disconnect and CoA (RFC 5176).
//!
//! An order is given while its endpoint's entry is held, recorded with what made it necessary, and
//! handed on when that is durable: first the new state, then the packet. It is here from the moment
//! it is given, so that a snapshot has it. Nothing here knows a packet.

mod job;
mod table;

pub use job::Job;
pub use table::{Issued, OrderStatus, PendingOrder, Reachable, SessionOrders};

use super::transaction::EndpointTxn;
use super::{Aaa, EndpointEntry, Recorder};
use crate::identity::{Iccid, Imsi};
use crate::network::{
    CloseCause, EndpointState, OrderAction, OrderReason, Session, SessionKeys, SessionOrder,
};
use crate::provisioning::Endpoint;
use crate::time::Timestamp;

/// How a session stands for whoever wants it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Its gateway has it still, and told of it last at this time.
    Live {
        heard: Timestamp,
    },
    Ended,
    /// Nothing is known of it any more.
    Gone,
}

impl<R: Recorder> EndpointTxn<'_, R> {
    /// The one way to have a session ended by its gateway: recorded with this transaction, sent when
    /// that is durable. `session` is a place in the endpoint's list.
    pub(super) fn disconnect(&mut self, session: usize, reason: OrderReason) -> Issued {
        self.order(session, OrderAction::Disconnect, reason)
    }

    fn order(&mut self, session: usize, action: OrderAction, reason: OrderReason) -> Issued {
        let orders = &self.aaa.orders;
        let Some(session) = self.entry.state.sessions.get(session) else {
            return Issued::NoAddress;
        };
        if !session.is_live() || !orders.reaches(session.gateway) {
            return Issued::NoAddress;
        }
        let order = SessionOrder {
            iccid: self.iccid,
            session: session.number(),
            gateway: session.gateway,
            action,
            reason,
            job: self.records.job(),
            since: self.now,
            keys: SessionKeys::of(session, imsi_of(&self.entry.endpoint, session)),
        };
        orders.issue(order, self.now, self.records)
    }

    /// Has the sessions disconnected that began to end a moment ago.
    pub(super) fn disconnect_ending(&mut self, cause: CloseCause) {
        for at in 0..self.entry.state.sessions.len() {
            let session = &self.entry.state.sessions[at];
            let begins = session.is_live()
                && session
                    .ending()
                    .is_some_and(|ending| (ending.since, ending.cause) == (self.now, cause));
            let group = session.group.and_then(|group| self.plan.catalog.group(group));
            if begins && group.is_none_or(|group| group.disconnect) {
                self.disconnect(at, OrderReason::of(cause));
            }
        }
    }
}

impl Aaa {
    /// What gateways are to be told.
    #[must_use]
    pub const fn orders(&self) -> &SessionOrders {
        &self.orders
    }

    /// Has the gateway of a session told something about it. `None`: there is no such session, or
    /// its gateway has it no more.
    pub fn order(
        &self,
        iccid: Iccid,
        session: u64,
        action: OrderAction,
        reason: OrderReason,
        now: Timestamp,
        records: &mut impl Recorder,
    ) -> Option<Issued> {
        let plan = self.plan();
        self.tracker.with(iccid, |entry| {
            let mut txn = EndpointTxn::begin(self, &plan, iccid, entry, now, records);
            let at = live(&txn.entry.state).find(|(_, one)| one.number() == session);
            let issued = at.map(|(at, _)| at).map(|at| txn.order(at, action, reason));
            txn.end();
            issued
        })?
    }

    /// The sessions of an endpoint that its gateways have still.
    #[must_use]
    pub fn live_sessions(&self, iccid: Iccid, now: Timestamp) -> Vec<u64> {
        let of = |state: &EndpointState| live(state).map(|(_, one)| one.number()).collect();
        self.look(iccid, now, |entry, _| of(&entry.state)).unwrap_or_default()
    }

    /// Whether a session is known, whatever has become of it.
    #[must_use]
    pub fn knows_session(&self, iccid: Iccid, session: u64) -> bool {
        let is_known =
            |entry: &EndpointEntry| entry.state.sessions.iter().any(|one| one.number() == session);
        self.tracker.read(iccid, is_known).unwrap_or_default()
    }

    /// How a session stands.
    #[must_use]
    pub fn sight(&self, iccid: Iccid, session: u64, now: Timestamp) -> Sight {
        let seen = self.look(iccid, now, |entry, _| {
            let found = entry.state.sessions.iter().find(|one| one.number() == session);
            match found {
                Some(one) if one.is_live() => Sight::Live { heard: one.heard },
                Some(_) => Sight::Ended,
                None => Sight::Gone,
            }
        });
        seen.unwrap_or(Sight::Gone)
    }

    /// A gateway has the session no more, as its answer tells. Its address is nobody else's before
    /// `address_until`.
    pub fn end_session(
        &self,
        iccid: Iccid,
        session: u64,
        cause: CloseCause,
        address_until: Option<Timestamp>,
        now: Timestamp,
        records: &mut impl Recorder,
    ) {
        let plan = self.plan();
        self.tracker.with(iccid, |entry| {
            let mut txn = EndpointTxn::begin(self, &plan, iccid, entry, now, records);
            let ended = txn.entry.state.end_session(session, cause, now, address_until);
            txn.follow(&ended);
            txn.end();
        });
    }
}

fn live(state: &EndpointState) -> impl Iterator<Item = (usize, &Session)> {
    state.sessions.iter().enumerate().filter(|(_, session)| session.is_live())
}

/// The IMSI under which the session was opened.
fn imsi_of(endpoint: &Endpoint, _session: &Session) -> Option<Imsi> {
    endpoint.imsis().next()
}
