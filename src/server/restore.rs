//! Start-up: restores the state of the decision maker from the journal.

use std::path::Path;

use crate::aaa::{Aaa, Recovered, Recovery};
use crate::identity::GatewayId;
use crate::journal::{
    self, FramedRecord, Journal, JournalOptions, OnDamage, OpenError, Unreadable,
};
use crate::keeping::BackgroundWriter;
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
    let mut started = Timestamp::EPOCH;
    let (aaa, memory) = recovery.finish(|newest| {
        started = start(newest);
        started
    });
    record_outages(&journal, &aaa, started);
    Ok(Restored { aaa, journal, gateways, signed, read, memory })
}

/// What a record says about endpoints and what they depend on.
pub fn apply(recovery: &mut Recovery, record: Record) {
    match record {
        Record::Endpoint { iccid, state } => recovery.endpoint(iccid, state),
        Record::Provisioned { iccid, stamp, endpoint } => {
            recovery.provisioned(iccid, stamp, endpoint);
        }
        Record::Stock { iccid, version, entry } => {
            recovery.stock(iccid, version, entry.as_ref());
        }
        Record::Object(object) => recovery.object(object),
        Record::Catalog { catalog, .. } => recovery.catalog(catalog),
        Record::Inventory { fingerprint, .. } => recovery.inventory(fingerprint),
        Record::Restart(restart) => recovery.restart(restart),
        Record::Outages { outages, .. } => recovery.outages(outages),
        Record::Order { key, version, order } => recovery.order(key, version, order),
        Record::Learnt { id, preset, at } => recovery.learnt(id, preset, at),
        Record::Gateway { .. }
        | Record::Signed { .. }
        | Record::Note(_)
        | Record::Message { .. } => {}
    }
}

/// The first record of a server that goes on: any other is durable only together with it, so a
/// start soon after this one knows of this outage as well.
fn record_outages(journal: &Journal, aaa: &Aaa, start: Timestamp) {
    if aaa.outages().iter().len() > 0 {
        let mut writer = BackgroundWriter::new(journal);
        writer.begin(start);
        writer.outages(aaa.outages());
        writer.submit();
    }
}

fn report_inventory_first(
    on_inventory: &mut Option<impl FnOnce(Option<Fingerprint>)>,
    record: &Record,
) {
    let fingerprint = match record {
        Record::Inventory { fingerprint, .. } => *fingerprint,
        Record::Endpoint { .. } | Record::Provisioned { .. } => None,
        Record::Object(_)
        | Record::Stock { .. }
        | Record::Catalog { .. }
        | Record::Gateway { .. }
        | Record::Signed { .. }
        | Record::Restart(_)
        | Record::Outages { .. }
        | Record::Note(_)
        | Record::Order { .. }
        | Record::Learnt { .. }
        | Record::Message { .. } => return,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::aaa::AaaSettings;
    use crate::provisioning::{Inventory, Prune};
    use crate::radius::gateways::Gateways;
    use crate::server::Snapshot;

    const DOWN: Duration = Duration::from_secs(7200);

    /// A server that is started after an outage, and again soon: both are known, whether the start
    /// between them wrote a snapshot or not (PROTOCOL 8).
    #[test]
    fn each_start_knows_the_outages_before_it() {
        for has_snapshot in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let begin = |start: &dyn Fn(Timestamp) -> Timestamp| {
                restore(
                    folder.path(),
                    JournalOptions::default(),
                    OnDamage::Refuse,
                    Aaa::new(AaaSettings::default()),
                    |_| {},
                    start,
                )
                .unwrap()
            };
            let noon = Timestamp::from_secs(1_800_000_000);
            let first = begin(&|_| noon);
            assert_eq!(first.aaa.outages().iter().len(), 0, "there was nothing before it");
            let mut writer = BackgroundWriter::new(&first.journal);
            writer.begin(noon);
            let inventory = Inventory::load("fixtures/festival".as_ref()).unwrap();
            first.aaa.adopt(inventory, Prune::No, noon, &mut writer).unwrap();
            assert!(writer.finish(&first.aaa, DOWN));
            drop((writer, first));

            let second = begin(&|newest| newest + DOWN);
            if has_snapshot {
                let writer = second.journal.begin_snapshot().unwrap();
                let gateways = Gateways::new(&[], Vec::new());
                let mut snapshot = Snapshot::begin(writer, &second.aaa, &gateways, noon + DOWN);
                while snapshot.copy(&second.aaa, 100).unwrap() {}
                snapshot.finish(&second.aaa).unwrap();
            }
            second.journal.close().unwrap();
            drop(second.aaa);

            let third = begin(&|newest| newest + Duration::from_secs(8));
            let lasted: Vec<Duration> =
                third.aaa.outages().iter().map(|outage| outage.lasted).collect();
            assert_eq!(lasted, [DOWN, Duration::from_secs(8)], "snapshot: {has_snapshot}");
        }
    }
}
