//! The thread that writes snapshots: all that is known, in slices, beside the traffic, so that the
//! journal stays short.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::aaa::{Aaa, Provisioned, Walk};
use crate::identity::Iccid;
use crate::journal::{Journal, SnapshotError, SnapshotReport, SnapshotWriter, TooLarge};
use crate::provisioning::Revision;
use crate::radius::context::ServerContext;
use crate::radius::gateways::Gateways;
use crate::record::RecordSink;
use crate::runtime::HealthSeverity;
use crate::runtime::watch::Pulse;
use crate::time::Timestamp;

/// How often it is asked whether a snapshot is due.
const PACE: Duration = Duration::from_millis(100);

/// How often it is looked whether the journal's files are still there.
const LOOK: Duration = Duration::from_secs(1);

/// After a snapshot that failed, the next is tried not before this.
const PAUSE: Duration = Duration::from_secs(30);

/// Endpoints per slice: what is gathered in memory before it is written, in one go on a core that
/// others may wait for. Their entries are held one lock at a time and only to be copied.
const SLICE: usize = 1_024;

pub(super) struct Snapshots {
    pub(super) common: Arc<ServerContext>,
    pub(super) aaa: Arc<Aaa>,
    pub(super) journal: Arc<Journal>,
    pub(super) pulse: Pulse,
    pub(super) stop: watch::Receiver<()>,
    pub(super) files: Files,
}

/// What was last seen of the journal's files.
#[derive(Default)]
pub(super) struct Files {
    looked_at: Duration,
    are_gone: bool,
}

impl Snapshots {
    /// Writes a snapshot whenever one is due, until told to stop. To be run on a runtime of its
    /// own.
    pub(super) async fn run(mut self) {
        let mut pause = PACE;
        while !self.must_stop() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.stop.changed() => return,
            }
            pause = PACE;
            self.look_after_files();
            if !self.journal.snapshot_is_due() {
                continue;
            }
            match self.write() {
                Ok(Some(report)) => {
                    info!(records = report.records, octets = report.octets, "snapshot written");
                }
                Ok(None) => return,
                Err(error) => {
                    warn!("no snapshot was written: {error}; the journal goes on without");
                    pause = PAUSE;
                }
            }
        }
    }

    /// `None`: told to stop in the middle of it. What was begun is removed then, and the journal is
    /// as it was.
    fn write(&mut self) -> Result<Option<SnapshotReport>, SnapshotError> {
        // The new segment has begun when this returns: whatever changes from now on is in it.
        let writer = self.journal.begin_snapshot()?;
        let mut snapshot = Snapshot::begin(
            writer,
            &self.aaa,
            &self.common.gateways.load(),
            self.common.clock.now().wall,
        );
        loop {
            if self.must_stop() {
                return Ok(None);
            }
            self.look_after_files();
            if !snapshot.copy(&self.aaa, SLICE)? {
                return snapshot.finish(&self.aaa).map(Some);
            }
        }
    }

    /// A file that is removed while it is open takes records all the same, and nobody will ever
    /// read them.
    fn look_after_files(&mut self) {
        const NAME: &str = "data-folder";
        let running = self.common.clock.now().running;
        self.pulse.beat(running);
        if running < self.files.looked_at + LOOK {
            return;
        }
        self.files.looked_at = running;
        let are_gone = !self.journal.is_in_place();
        if std::mem::replace(&mut self.files.are_gone, are_gone) == are_gone {
            return;
        }
        if are_gone {
            let told = "the journal's files are gone from the data folder: what is recorded now does not survive a restart; restart attachd";
            error!("{told}");
            self.common.health.add(HealthSeverity::NotReady, NAME, told);
        } else {
            warn!("the journal's files are in the data folder again");
            self.common.health.clear(NAME);
        }
    }

    fn must_stop(&self) -> bool {
        self.stop.has_changed().unwrap_or(true)
    }
}

/// A snapshot being written, slice by slice, while traffic goes on.
pub struct Snapshot {
    writer: SnapshotWriter,
    /// Where the next slice begins.
    walk: Walk,
    /// A record that could not be put, if there was one.
    missing: Option<TooLarge>,
    /// Endpoints that were removed so long ago that this snapshot says nothing of them any more.
    forgotten: Vec<(Iccid, Revision)>,
    /// The SIM of the stock that was copied last, and whether all were.
    stock: Option<Iccid>,
    stock_is_whole: bool,
}

impl Snapshot {
    /// Puts what concerns all endpoints. Waits for an adoption that is at work.
    pub fn begin(
        mut writer: SnapshotWriter,
        aaa: &Aaa,
        gateways: &Gateways,
        now: Timestamp,
    ) -> Self {
        let mut missing = None;
        let Provisioned { catalog, fingerprint, removed, forgotten } = aaa.provisioned(now);
        for object in catalog.objects() {
            note(&mut missing, writer.put_object(&object));
        }
        if fingerprint.is_some() {
            note(&mut missing, writer.put_inventory(now.micros(), fingerprint));
        }
        for (id, name) in gateways.handles() {
            note(&mut missing, writer.put_gateway(id, name));
        }
        for departed in aaa.departed(now) {
            note(&mut missing, writer.put_endpoint(departed.iccid, &departed.state));
            note(
                &mut missing,
                writer.put_provisioned(
                    departed.iccid,
                    Revision { version: departed.end, ..Revision::default() },
                    None,
                ),
            );
        }
        for (iccid, stamp) in removed {
            note(&mut missing, writer.put_provisioned(iccid, stamp, None));
        }
        for id in gateways.signed() {
            note(&mut missing, writer.put_signed(id));
        }
        if aaa.outages().iter().len() > 0 {
            note(&mut missing, writer.put_outages(now, aaa.outages()));
        }
        for pending in aaa.orders().pending() {
            let order = Some((&*pending.order, pending.phase));
            note(&mut missing, writer.put_order(pending.order.key(), pending.version, order));
        }
        for (id, preset, at) in aaa.orders().all_learnt() {
            note(&mut missing, writer.put_learnt(id, preset, at));
        }
        for restart in aaa.pending_restarts() {
            note(&mut missing, writer.put_restart(&restart));
        }
        let (stock, stock_is_whole) = (None, false);
        Self { writer, walk: aaa.walk(), missing, forgotten, stock, stock_is_whole }
    }

    /// Copies about so many more endpoints, and writes them. Whether there are more.
    ///
    /// # Errors
    /// If they could not be written.
    pub fn copy(&mut self, aaa: &Aaa, endpoints: usize) -> Result<bool, SnapshotError> {
        let Self { writer, walk, missing, stock, stock_is_whole, .. } = self;
        if !*stock_is_whole {
            let some = aaa.stock_behind(*stock, endpoints);
            for (iccid, entry) in &some {
                note(missing, writer.put_stock(*iccid, entry.stamp.version, Some(entry)));
            }
            *stock = some.last().map(|(iccid, _)| *iccid);
            *stock_is_whole = stock.is_none();
            if !*stock_is_whole {
                writer.settle()?;
                return Ok(true);
            }
        }
        let came_round = aaa.observe(walk, endpoints, |iccid, entry| {
            note(missing, writer.put_provisioned(iccid, entry.stamp, Some(&entry.endpoint)));
            if !entry.is_untouched() {
                note(missing, writer.put_endpoint(iccid, &entry.state));
            }
        });
        writer.settle()?;
        Ok(!came_round)
    }

    /// Puts it in the place of the older files.
    ///
    /// # Errors
    /// If it is not whole; the journal is as it was, then.
    pub fn finish(self, aaa: &Aaa) -> Result<SnapshotReport, SnapshotError> {
        if let Some(too_large) = self.missing {
            return Err(SnapshotError::TooLarge(too_large));
        }
        let report = self.writer.finish()?;
        aaa.forget(&self.forgotten);
        Ok(report)
    }
}

fn note(missing: &mut Option<TooLarge>, put: Result<(), TooLarge>) {
    if let Err(too_large) = put {
        *missing = Some(too_large);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aaa::{AaaSettings, AccessRequest, Subject, Verdict};
    use crate::journal::{JournalOptions, OnDamage};
    use crate::keeping::BackgroundWriter;
    use crate::network::LocationInfo;
    use crate::provisioning::{Inventory, Prune};
    use crate::server::restore;

    /// Who was removed is not in a snapshot any more; its address is in its hold all the same.
    #[test]
    fn the_hold_of_a_removed_endpoint_survives_a_snapshot() {
        let now = Timestamp::from_secs(1_800_000_000);
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            restore(
                folder.path(),
                JournalOptions::default(),
                OnDamage::Refuse,
                Aaa::new(AaaSettings::default()),
                |_| {},
                |newest| newest,
            )
            .unwrap()
        };
        let read = || {
            Inventory::load("fixtures/festival".as_ref())
                .unwrap_or_else(|problems| panic!("{problems:?}"))
        };
        let held = |aaa: &Aaa| {
            aaa.stats()
                .vslices
                .iter()
                .flat_map(|vslice| &vslice.pools)
                .map(|pool| pool.counts.held)
                .sum::<u64>()
        };

        let before = open();
        let mut writer = BackgroundWriter::new(&before.journal);
        writer.begin(now);
        before.aaa.adopt(read(), Prune::No, now, &mut writer).unwrap();
        let imsi =
            read().endpoints.iter().find_map(|(_, endpoint)| endpoint.imsi).unwrap().to_string();
        let subject = Subject { imsi: Some(imsi.as_bytes()), ..Subject::default() };
        let request = AccessRequest {
            subject,
            apn: None,
            attach_only: false,
            located: &LocationInfo::default,
            asked: crate::aaa::AskedFamilies::Unsaid,
            proves: &|_| true,
            unusable_credentials: false,
        };
        assert!(matches!(before.aaa.authorize(&request, now, &mut writer), Verdict::Accept(_)));
        let mut without = read();
        without
            .endpoints
            .retain(|(_, endpoint)| endpoint.imsi.is_none_or(|own| own.to_string() != imsi));
        before.aaa.adopt(without, Prune::Force, now, &mut writer).unwrap();
        assert!(writer.finish(&before.aaa, Duration::from_secs(10)));
        assert_eq!(held(&before.aaa), 1);

        let gateways = Gateways::new(&[], Vec::new());
        let mut snapshot =
            Snapshot::begin(before.journal.begin_snapshot().unwrap(), &before.aaa, &gateways, now);
        while snapshot.copy(&before.aaa, SLICE).unwrap() {}
        snapshot.finish(&before.aaa).unwrap();
        drop((writer, before));

        for _ in 0..2 {
            let after = open();
            assert_eq!((held(&after.aaa), after.memory.contested), (1, 0));
            assert_eq!(after.aaa.departed(now).len(), 1, "and the next snapshot has it again");
            assert_eq!(after.aaa.departed(now + Duration::from_secs(60)).len(), 0);
        }
    }
}
