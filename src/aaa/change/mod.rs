//! A change by a person or a program: what it claims is claimed first, then the object changes, then
//! it is recorded.
//!
//! What a change costs does not depend on the size of the fleet. Members of a group or VSlice that
//! changes follow when they are next touched, and by the background walk.

mod endpoints;
mod error;
mod mutation;
mod objects;

pub use error::{BatchErrors, ChangeError};
pub use mutation::{EndpointMutation, EndpointStep, Mutation, Put, PutTarget, Transition};

use super::provision::{Changed, Provisioner};
use super::{Aaa, Recorder};
use crate::provisioning::{EventHandler, EventMap, Policy, Vslice};
use crate::time::Timestamp;

impl Aaa {
    /// Changes one object, if it has the `expected` version (`None`: whatever version it has).
    ///
    /// # Errors
    /// Why not; then everything is as it was.
    pub fn change(
        &self,
        mutation: Mutation,
        expected: Option<u64>,
        now: Timestamp,
        records: &mut impl Recorder,
    ) -> Result<Changed, ChangeError> {
        self.provision(now, records, |provisioner| match mutation {
            Mutation::Endpoint(one) => provisioner
                .change_endpoint(EndpointMutation { expected: one.expected.or(expected), ..one }),
            Mutation::PutVslice(put) => provisioner.put_vslice(put, expected),
            Mutation::PutGroup(put) => provisioner.put_object(put, expected),
            Mutation::PutPolicy(put) => provisioner.put_object(put, expected),
            Mutation::PutEventHandler(put) => provisioner.put_object(put, expected),
            Mutation::PutEventMap(put) => provisioner.put_object(put, expected),
            Mutation::RemoveVslice(id) => provisioner.remove_object::<Vslice>(id, expected),
            Mutation::RemoveGroup(id) => provisioner.remove_group(id, expected),
            Mutation::RemovePolicy(id) => provisioner.remove_object::<Policy>(id, expected),
            Mutation::RemoveEventHandler(id) => {
                provisioner.remove_object::<EventHandler>(id, expected)
            }
            Mutation::RemoveEventMap(id) => provisioner.remove_object::<EventMap>(id, expected),
        })
    }

    /// Changes all of these endpoints or none, under one lock. What each came to, in their order.
    ///
    /// # Errors
    /// Everything that cannot be done, each with its place among the mutations.
    pub fn change_endpoints(
        &self,
        mutations: Vec<EndpointMutation>,
        now: Timestamp,
        records: &mut impl Recorder,
    ) -> Result<Vec<Changed>, BatchErrors> {
        self.provision(now, records, |provisioner| provisioner.change_endpoints(mutations))
    }

    /// Whether [`Self::change_endpoints`] would succeed now. Nothing changes, nothing is recorded.
    ///
    /// # Errors
    /// The same as there.
    pub fn judge_endpoints(
        &self,
        mutations: Vec<EndpointMutation>,
        now: Timestamp,
        records: &mut impl Recorder,
    ) -> Result<(), BatchErrors> {
        self.provision(now, records, |provisioner| provisioner.judge_endpoints(mutations))
    }

    pub(in crate::aaa) fn provision<R: Recorder, T>(
        &self,
        now: Timestamp,
        records: &mut R,
        act: impl FnOnce(&mut Provisioner<'_, R>) -> T,
    ) -> T {
        let mut register = self.register.lock();
        let plan = self.plan.load_full();
        act(&mut Provisioner { aaa: self, plan: &plan, register: &mut register, now, records })
    }
}
