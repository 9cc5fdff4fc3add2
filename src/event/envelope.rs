//! An event as it is recorded: a few octets by which it is found and sent, then its JSON.

use std::num::NonZeroU32;

use crate::identity::{GroupId, VsliceId};
use crate::provisioning::EventType;

/// A recorded event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventEnvelope<'a> {
    pub event: EventType,
    /// Of the endpoint, or of its session.
    pub group: Option<GroupId>,
    pub vslice: Option<VsliceId>,
    /// What a receiver gets.
    pub payload: &'a [u8],
}

/// Format 1, key of the type, group, VSlice.
const HEAD: usize = 10;

const FORMAT: u8 = 1;

impl<'a> EventEnvelope<'a> {
    /// Appends what stands before the payload.
    pub(super) fn head(
        buffer: &mut Vec<u8>,
        key: u8,
        group: Option<GroupId>,
        vslice: Option<VsliceId>,
    ) {
        buffer.extend_from_slice(&[FORMAT, key]);
        let handle = |index: Option<usize>| index.map_or(0, |index| index as u32 + 1).to_le_bytes();
        buffer.extend_from_slice(&handle(group.map(GroupId::index)));
        buffer.extend_from_slice(&handle(vslice.map(VsliceId::index)));
    }

    /// `None`: it was written by another version, or is damaged.
    #[must_use]
    pub fn read(octets: &'a [u8]) -> Option<Self> {
        let (head, payload) = octets.split_first_chunk::<HEAD>()?;
        if head[0] != FORMAT {
            return None;
        }
        let handle = |from: usize| {
            let number = u32::from_le_bytes(std::array::from_fn(|at| head[from + at]));
            NonZeroU32::new(number).map(|number| number.get() as usize - 1)
        };
        Some(Self {
            event: EventType::from_key(head[1].into())?,
            group: handle(2).map(GroupId::new),
            vslice: handle(6).map(VsliceId::new),
            payload,
        })
    }
}
