//! Which events are asked for.

use crate::api::http::HttpState;
use crate::api::http::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::event::{EventEnvelope, TypeSet};
use crate::identity::{GroupId, Iccid, IdentityError, VsliceId};
use crate::message_log::StoredMessage;
use crate::provisioning::{EventType, Group, Vslice};

/// All of these have to hold.
#[derive(Clone, Debug, Default)]
pub(super) struct EventFilter {
    /// `None`: all.
    pub(super) types: Option<TypeSet>,
    pub(super) iccid: Option<Iccid>,
    group: Option<GroupId>,
    vslice: Option<VsliceId>,
}

impl EventFilter {
    pub(super) const PARAMETERS: [&'static str; 4] = ["type", "iccid", "endpointGroup", "vslice"];

    pub(super) fn of(state: &HttpState, parameters: &Parameters) -> Result<Self, Refusal> {
        let iccid = parameters
            .text("iccid")
            .map(|text| text.parse().map_err(|error: IdentityError| Refusal::query(error.rule)))
            .transpose()?;
        let types = parameters.text("type").map(types).transpose()?;
        let serving = state.serving()?;
        let (group, vslice) = serving.aaa.with_catalog(|catalog| {
            let group = parameters.text("endpointGroup").map(|named| {
                let found = catalog.find::<Group>(named).map(|(id, _)| id);
                found.ok_or_else(|| unknown("endpoint group", named))
            });
            let vslice = parameters.text("vslice").map(|named| {
                let found = catalog.find::<Vslice>(named).map(|(id, _)| id);
                found.ok_or_else(|| unknown("VSlice", named))
            });
            Ok::<_, Refusal>((group.transpose()?, vslice.transpose()?))
        })?;
        Ok(Self { types, iccid, group, vslice })
    }

    /// The event, if it is meant.
    pub(super) fn meant<'a>(&self, message: &StoredMessage<'a>) -> Option<EventEnvelope<'a>> {
        if self.iccid.is_some_and(|iccid| iccid.raw() != message.key) {
            return None;
        }
        let event = EventEnvelope::read(message.octets)?;
        let holds = self.types.is_none_or(|types| types.contains(event.event))
            && self.group.is_none_or(|group| event.group == Some(group))
            && self.vslice.is_none_or(|vslice| event.vslice == Some(vslice));
        holds.then_some(event)
    }
}

/// Types that are never made are known, and match nothing.
fn types(list: &str) -> Result<TypeSet, Refusal> {
    list.split(',').try_fold(TypeSet::default(), |set, moniker| {
        let moniker = moniker.trim();
        let event = EventType::parse(moniker).ok_or_else(|| {
            let shown: String = moniker.chars().take(60).collect();
            Refusal::query(format!("there is no event type {shown:?}; GET /EventTypes lists them"))
        })?;
        Ok(set.union(TypeSet::of(event)))
    })
}

fn unknown(kind: &str, named: &str) -> Refusal {
    let shown: String = named.chars().take(60).collect();
    Refusal::query(format!("there is no {kind} {shown:?}"))
}
