//! What is to change.

use uuid::Uuid;

use crate::identity::{EventHandlerId, EventMapId, GroupId, Iccid, PolicyId, VsliceId};
use crate::provisioning::{
    CatalogKind, CodeHash, Endpoint, EventHandler, EventMap, Group, Policy, Spelling, Vslice,
};

/// What is to change.
#[derive(Clone, Debug, PartialEq)]
pub enum Mutation {
    Endpoint(EndpointMutation),
    PutVslice(Put<Vslice>),
    RemoveVslice(VsliceId),
    PutGroup(Put<Group>),
    RemoveGroup(GroupId),
    PutPolicy(Put<Policy>),
    RemovePolicy(PolicyId),
    PutEventHandler(Put<EventHandler>),
    RemoveEventHandler(EventHandlerId),
    PutEventMap(Put<EventMap>),
    RemoveEventMap(EventMapId),
}

/// What is to become of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointMutation {
    pub iccid: Iccid,
    pub step: EndpointStep,
    /// Why its state changes, for people: kept until the next change of its state.
    pub reason: Option<Box<str>>,
    /// The version that it has to have; `None`: any.
    pub expected: Option<u64>,
}

impl EndpointMutation {
    /// Whatever version it has, without a reason.
    #[must_use]
    pub const fn new(iccid: Iccid, step: EndpointStep) -> Self {
        Self { iccid, step, reason: None, expected: None }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointStep {
    /// It is to be so from now on; it may be new.
    Put(Endpoint),
    /// Only if there is none yet.
    Add(Endpoint),
    /// The same, out of the stock, with the activation code of its SIM, whose IMSIs and MSISDN it
    /// takes.
    Activate(CodeHash, Endpoint),
    Step(Transition),
    Remove,
}

/// A thing, and where it is to be put.
#[derive(Clone, Debug, PartialEq)]
pub struct Put<T: CatalogKind> {
    pub target: PutTarget<T::Id>,
    /// Under its moniker, which may be another one than before.
    pub thing: T,
    pub spelling: Spelling,
}

/// Which object of its kind is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutTarget<Id> {
    /// A new one with this id, which whoever asks has drawn at random.
    New(Uuid),
    Existing(Id),
}

/// A step of an endpoint's provisioning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Into this group: a pending endpoint becomes active, any other keeps its state.
    Assign(GroupId),
    /// Out of its groups: it becomes pending, a suspended one, too.
    Unassign,
    Suspend,
    Resume,
    Terminate,
    Reinstate,
}

impl<T: CatalogKind> Put<T> {
    /// A new object, written in the usual way.
    pub fn new(uuid: Uuid, thing: T) -> Self {
        Self { target: PutTarget::New(uuid), thing, spelling: Spelling::default() }
    }

    /// In place of what is there, written in the usual way.
    pub fn existing(id: T::Id, thing: T) -> Self {
        Self { target: PutTarget::Existing(id), thing, spelling: Spelling::default() }
    }
}
