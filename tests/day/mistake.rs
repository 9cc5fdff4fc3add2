//! Mistakes that the server of a day can be made to make, to see that they are found.

use std::time::Duration;

use attachd::aaa::AaaSettings;
use attachd::journal::{Batch, FramedRecord, Unreadable};
use attachd::record::{Record, RecordSink};
use attachd::server::Applier;
use attachd::simulator::referee::Rule;

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
    /// A released address is anybody's at once.
    NoHold,
    /// A session is given up between two reports.
    Impatience,
    /// Repeated requests are not recognised.
    NoMemoryOfReplies,
}

impl Mistake {
    /// Each, and the rules one of which it must break.
    pub const ALL: &'static [(Self, &'static [Rule])] = &[
        (
            Self::HastyReplies,
            &[Rule::SessionLost, Rule::SessionLingers, Rule::CountersLowered, Rule::AddressChanged],
        ),
        (Self::LostRecords, &[Rule::SessionLost]),
        (Self::ForgottenLeases, &[Rule::AddressDuplicate, Rule::AddressChanged]),
        (Self::ForgottenOutages, &[Rule::AddressEarly, Rule::SessionLost]),
        (Self::NoHold, &[Rule::AddressEarly]),
        (Self::Impatience, &[Rule::SessionLost]),
        (Self::NoMemoryOfReplies, &[Rule::DuplicateDiffers]),
    ];

    pub fn spoil(self, settings: &mut AaaSettings) {
        match self {
            Self::NoHold => settings.hold_time = Duration::ZERO,
            Self::Impatience => settings.stale_after = Some(Duration::from_secs(300)),
            Self::HastyReplies
            | Self::LostRecords
            | Self::ForgottenLeases
            | Self::ForgottenOutages
            | Self::NoMemoryOfReplies => {}
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
                let mut batch = Batch::default();
                batch.put_endpoint(iccid, &state).map_err(|_| Unreadable("too large"))?;
                batch.entries().try_for_each(applier)
            }
            _ => applier(*entry),
        }
    }
}
