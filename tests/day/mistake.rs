//! Mistakes that the server of a day can be made to make, to see that they are found.

use std::time::Duration;

use attachd::aaa::AaaSettings;
use attachd::identity::Iccid;
use attachd::journal::{Batch, FramedRecord, Unreadable};
use attachd::network::{Bearer, EndpointState, Session};
use attachd::provisioning::Inventory;
use attachd::record::{Record, RecordSink};
use attachd::server::Applier;
use attachd::simulator::referee::Rule;

use super::operator::NEW_SIMS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// A reply leaves before its records are durable.
    HastyReplies,
    /// The records of every eighth endpoint are not there any more when they are read.
    LostRecords,
    /// Recovery restores sessions, but no leases.
    ForgottenLeases,
    /// What was recorded of outages is not read.
    ForgottenOutages,
    /// What ended sessions have used is zero when they are read.
    ForgottenUsage,
    /// The rows of replaced SIMs are passed over when the inventory is read.
    FormerOwners,
    /// The session of an endpoint that was moved ends at once.
    NoEnding,
    /// A released address is anybody's at once.
    NoHold,
    /// A session is given up between two reports.
    Impatience,
    /// Repeated requests are not recognised.
    NoMemoryOfReplies,
}

/// What shows that a mistake was made.
#[derive(Clone, Copy, Debug)]
pub enum Evidence {
    /// One of these rules is broken.
    Violation(&'static [Rule]),
    /// There is a problem whose description has these words.
    Problem(&'static str),
}

impl Mistake {
    /// Each, and how it must be found.
    pub const ALL: &'static [(Self, Evidence)] = &[
        (
            Self::HastyReplies,
            Evidence::Violation(&[
                Rule::SessionLost,
                Rule::SessionLingers,
                Rule::CountersLowered,
                Rule::AddressChanged,
            ]),
        ),
        (Self::LostRecords, Evidence::Violation(&[Rule::SessionLost])),
        (
            Self::ForgottenLeases,
            Evidence::Violation(&[Rule::AddressDuplicate, Rule::AddressChanged]),
        ),
        (Self::ForgottenOutages, Evidence::Violation(&[Rule::AddressEarly, Rule::SessionLost])),
        (Self::ForgottenUsage, Evidence::Problem("acknowledged")),
        (Self::FormerOwners, Evidence::Problem("belongs to")),
        (Self::NoEnding, Evidence::Violation(&[Rule::SessionLost])),
        (Self::NoHold, Evidence::Violation(&[Rule::AddressEarly])),
        (Self::Impatience, Evidence::Violation(&[Rule::SessionLost])),
        (Self::NoMemoryOfReplies, Evidence::Violation(&[Rule::DuplicateDiffers])),
    ];

    pub fn spoil(self, settings: &mut AaaSettings) {
        match self {
            Self::NoHold => settings.hold_time = Duration::ZERO,
            Self::NoEnding => settings.ending = Duration::ZERO,
            Self::Impatience => settings.stale_after = Some(Duration::from_secs(300)),
            Self::HastyReplies
            | Self::LostRecords
            | Self::ForgottenLeases
            | Self::ForgottenOutages
            | Self::ForgottenUsage
            | Self::FormerOwners
            | Self::NoMemoryOfReplies => {}
        }
    }

    /// What the server takes in of the inventory.
    pub fn adopt(self, inventory: &mut Inventory) {
        if self == Self::FormerOwners {
            inventory.endpoints.retain(|(iccid, _)| !iccid.to_string().starts_with(NEW_SIMS));
        }
    }

    /// What the server reads of a record.
    pub fn read(self, entry: &FramedRecord<'_>, applier: Applier<'_>) -> Result<(), Unreadable> {
        let (iccid, mut state) = match Record::read(entry)? {
            Record::Endpoint { iccid, state } => (iccid, state),
            Record::Outages { .. } if self == Self::ForgottenOutages => return Ok(()),
            _ => return applier(*entry),
        };
        match self {
            // The last digit is a check digit: every eighth of what remains.
            Self::LostRecords if iccid.raw() / 16 % 8 == 0 => Ok(()),
            Self::ForgottenLeases => {
                state.leases.clear();
                apply_changed(iccid, &state, applier)
            }
            Self::ForgottenUsage => {
                let ended = state.sessions.iter_mut().filter(|session| session.ended.is_some());
                ended.for_each(|session| *session = without_usage(session));
                apply_changed(iccid, &state, applier)
            }
            _ => applier(*entry),
        }
    }
}

fn apply_changed(
    iccid: Iccid,
    state: &EndpointState,
    applier: Applier<'_>,
) -> Result<(), Unreadable> {
    let mut batch = Batch::default();
    batch.put_endpoint(iccid, state).map_err(|_| Unreadable("too large"))?;
    batch.entries().try_for_each(applier)
}

fn without_usage(session: &Session) -> Session {
    let first = session.bearers().next().cloned().unwrap();
    let unused = Bearer { input: 0, output: 0, ..first };
    let nas = session.nas();
    let mut without = Session::new(session.gateway, &nas, unused, session.began(), session.heard);
    without.ended = session.ended;
    without
}
