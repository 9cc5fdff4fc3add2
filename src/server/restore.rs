//! Start-up: restores the state of the decision maker from the journal.

use std::path::Path;

use crate::aaa::{Aaa, Recovered, Recovery};
use crate::identity::GatewayId;
use crate::journal::{
    self, FramedRecord, Journal, JournalOptions, OnDamage, OpenError, Unreadable,
};
use crate::provisioning::Fingerprint;
use crate::record::Record;
use crate::time::Timestamp;

/// Everything a server goes on with.
pub struct Restored {
    pub aaa: Aaa,
    pub journal: Journal,
    /// The names of the gateways' handles, in their order.
    pub gateways: Vec<String>,
    /// Gateways that have sent a Message-Authenticator.
    pub signed: Vec<GatewayId>,
    /// What the journal held.
    pub read: journal::RecoveryReport,
    /// What became of it.
    pub memory: Recovered,
}

/// Takes the data folder for this process and restores into `aaa`, which has no memory yet, what is
/// recorded there.
///
/// Before the first endpoint, `on_inventory` learns which inventory a snapshot is of. There may be
/// another one in force at the end: [`Aaa::inventory`]. `start` learns the last time that a record
/// knows, behind which all that is decided from now on must come, and says at which time the server
/// goes on.
///
/// # Errors
/// If the folder cannot be used, or acknowledged records cannot be read and `on_damage` refuses.
pub fn restore(
    folder: &Path,
    options: JournalOptions,
    on_damage: OnDamage,
    aaa: Aaa,
    on_inventory: impl FnOnce(Option<Fingerprint>) + Send,
    start: impl FnOnce(Timestamp) -> Timestamp,
) -> Result<Restored, OpenError> {
    restore_from(aaa, on_inventory, start, |applier| {
        Journal::open(folder, options, on_damage, &mut [applier])
    })
}

/// Takes one record of the journal after the other.
pub type Applier<'a> = &'a mut (dyn FnMut(FramedRecord<'_>) -> Result<(), Unreadable> + Send);

/// The same from whatever journal `open` opens; it hands every record to the applier.
///
/// # Errors
/// Those of `open`.
pub fn restore_from(
    aaa: Aaa,
    on_inventory: impl FnOnce(Option<Fingerprint>) + Send,
    start: impl FnOnce(Timestamp) -> Timestamp,
    open: impl FnOnce(Applier<'_>) -> Result<(Journal, journal::RecoveryReport), OpenError>,
) -> Result<Restored, OpenError> {
    let mut recovery = aaa.recover();
    let (mut gateways, mut signed) = (Vec::new(), Vec::new());
    let mut on_inventory = Some(on_inventory);
    // One applier: the records of what is provisioned are in order in the files, and only there.
    let mut apply = |entry: FramedRecord<'_>| -> Result<(), Unreadable> {
        let record = Record::read(&entry)?;
        if on_inventory.is_some() {
            report_inventory_first(&mut on_inventory, &record);
        }
        // Versions begin with the time at which they are given.
        recovery.time(Timestamp::from_micros(entry.version));
        match record {
            Record::Gateway { id, name } => remember(&mut gateways, id, name),
            Record::Signed { id } => signed.push(id),
            record => apply(&mut recovery, record),
        }
        Ok(())
    };
    let (journal, read) = open(&mut apply)?;
    let (aaa, memory) = recovery.finish(start);
    Ok(Restored { aaa, journal, gateways, signed, read, memory })
}

/// What a record says about endpoints and what they depend on.
pub fn apply(recovery: &mut Recovery, record: Record) {
    match record {
        Record::Endpoint { iccid, state } => recovery.endpoint(iccid, state),
        Record::Provisioned { iccid, stamp, endpoint } => {
            recovery.provisioned(iccid, stamp, endpoint);
        }
        Record::Vslice { id, place } => recovery.vslice(id, place),
        Record::Group { id, place } => recovery.group(id, place),
        Record::Catalog { catalog, .. } => recovery.catalog(catalog),
        Record::Inventory { fingerprint, .. } => recovery.inventory(fingerprint),
        Record::Restart(restart) => recovery.restart(restart),
        Record::Gateway { .. } | Record::Signed { .. } | Record::Note(_) => {}
    }
}

fn report_inventory_first(
    on_inventory: &mut Option<impl FnOnce(Option<Fingerprint>)>,
    record: &Record,
) {
    let fingerprint = match record {
        Record::Inventory { fingerprint, .. } => *fingerprint,
        Record::Endpoint { .. } | Record::Provisioned { .. } => None,
        Record::Vslice { .. }
        | Record::Group { .. }
        | Record::Catalog { .. }
        | Record::Gateway { .. }
        | Record::Signed { .. }
        | Record::Restart(_)
        | Record::Note(_) => return,
    };
    on_inventory.take().into_iter().for_each(|on_inventory| on_inventory(fingerprint));
}

/// Handles are given in order and never taken back, so the list has no lasting gaps.
fn remember(gateways: &mut Vec<String>, id: GatewayId, name: String) {
    if gateways.len() <= id.index() {
        gateways.resize_with(id.index() + 1, String::new);
    }
    gateways[id.index()] = name;
}
