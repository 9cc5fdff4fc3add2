//! Which files a recovery reads, found from their names and headers alone: the newest snapshot,
//! then every segment behind it.

use std::collections::BTreeMap;
use std::io::Read;

use super::report::{Loss, OnDamage};
use super::scan::Scanner;
use crate::journal::disk::spare;
use crate::journal::disk::storage::Storage;
use crate::journal::error::{Damage, OpenError};
use crate::journal::format::header::{
    CLEAN_END, FileHeader, FileKind, FileName, HeaderFault, SegmentEnd,
};

/// The files of a journal in the order in which they are read.
#[derive(Debug, Default)]
pub(in crate::journal) struct RecoveryPlan {
    pub files: Vec<PlannedFile>,
    /// Drafts, what a newer snapshot stands for, and segments that nothing was acknowledged from:
    /// can go.
    pub leftovers: Vec<String>,
    /// What is not there, if it was decided to continue without.
    pub lost: Vec<Loss>,
    /// The number of the next segment.
    pub next: u64,
}

/// A file to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) struct PlannedFile {
    pub name: FileName,
    pub size: u64,
    pub end: ReadLimit,
}

/// How far a file counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) enum ReadLimit {
    /// To here exactly: the next segment says so.
    Sealed(u64),
    /// As far as it was written when the process ended.
    Open,
    /// To a record that says so itself: a snapshot.
    Counted,
}

impl RecoveryPlan {
    /// Reads names and headers. Changes nothing.
    pub(in crate::journal) fn make(
        storage: &dyn Storage,
        on_damage: OnDamage,
    ) -> Result<Self, OpenError> {
        let mut survey = FolderListing::make(storage)?;
        let next = survey.next();
        let mut plan =
            Self { leftovers: std::mem::take(&mut survey.drafts), next, ..Self::default() };
        let snapshot = survey.newest_snapshot(storage, &mut plan, on_damage)?;
        survey.follow_chain(storage, &mut plan, snapshot, on_damage)?;
        plan.leftovers
            .extend(survey.segments.keys().map(|number| FileName::segment(*number).to_string()));
        plan.files.sort_by_key(|file| (file.name.kind == FileKind::Segment, file.name.number));
        Ok(plan)
    }

    /// Tells of something lost: an error, or a note if it was decided to continue.
    fn lose(&mut self, on_damage: OnDamage, error: OpenError, loss: Loss) -> Result<(), OpenError> {
        match on_damage {
            OnDamage::Refuse => Err(error),
            OnDamage::Continue => {
                self.lost.push(loss);
                Ok(())
            }
        }
    }
}

/// All files that have a name of ours, by number.
struct FolderListing {
    segments: BTreeMap<u64, u64>,
    snapshots: BTreeMap<u64, u64>,
    drafts: Vec<String>,
    /// Where an orderly end has left the last segment.
    clean_end: Option<SegmentEnd>,
}

impl FolderListing {
    fn make(storage: &dyn Storage) -> Result<Self, OpenError> {
        let files =
            storage.list().map_err(|error| OpenError::Io { file: storage.describe(""), error })?;
        let mut survey = Self {
            segments: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            drafts: Vec::new(),
            clean_end: None,
        };
        for file in files {
            match FileName::parse(&file.name) {
                Some(FileName { kind: FileKind::Segment, number }) => {
                    _ = survey.segments.insert(number, file.size);
                }
                Some(FileName { kind: FileKind::Snapshot, number }) => {
                    _ = survey.snapshots.insert(number, file.size);
                }
                None if file.name == CLEAN_END => {
                    survey.clean_end = clean_end(storage)?;
                    survey.drafts.push(file.name);
                }
                None if FileName::parse_draft(&file.name).is_some() || file.name == spare::NAME => {
                    survey.drafts.push(file.name);
                }
                None => {}
            }
        }
        Ok(survey)
    }

    /// A number that no file bears, whatever became of it.
    fn next(&self) -> u64 {
        let drafts = self
            .drafts
            .iter()
            .filter_map(|name| FileName::parse_draft(name))
            .map(|name| name.number);
        let ended = self.clean_end.map(|last| last.number);
        self.segments
            .keys()
            .chain(self.snapshots.keys())
            .copied()
            .chain(drafts)
            .chain(ended)
            .max()
            .map_or(1, |newest| newest.saturating_add(1))
    }

    /// Plans the newest snapshot; older ones, and the segments it stands for, can go.
    fn newest_snapshot(
        &mut self,
        storage: &dyn Storage,
        plan: &mut RecoveryPlan,
        on_damage: OnDamage,
    ) -> Result<Option<u64>, OpenError> {
        let Some((number, size)) = self.snapshots.pop_last() else { return Ok(None) };
        let name = FileName::snapshot(number);
        if header(storage, name)?.is_none() {
            plan.lose(on_damage, unreadable(storage, name), Loss::header(storage, name))?;
        }
        plan.files.push(PlannedFile { name, size, end: ReadLimit::Counted });
        let behind = self.segments.split_off(&number);
        let covered = std::mem::replace(&mut self.segments, behind);
        plan.leftovers
            .extend(self.snapshots.keys().map(|number| FileName::snapshot(*number).to_string()));
        plan.leftovers.extend(covered.keys().map(|number| FileName::segment(*number).to_string()));
        Ok(Some(number))
    }

    /// Plans the segments from the newest to the first behind the snapshot, each named by the one
    /// after it.
    ///
    /// A segment that none names was given up before anything in it was acknowledged.
    fn follow_chain(
        &mut self,
        storage: &dyn Storage,
        plan: &mut RecoveryPlan,
        snapshot: Option<u64>,
        on_damage: OnDamage,
    ) -> Result<(), OpenError> {
        if self.segments.is_empty() && snapshot.is_none() && self.clean_end.is_none() {
            return Ok(());
        }
        let first = snapshot.unwrap_or(1);
        let newest = self.segments.last_key_value().map_or(first, |(number, _)| *number);
        let mut next = match self.clean_end {
            // Nothing was begun since.
            Some(last) if last.number >= newest => Some((last.number, ReadLimit::Sealed(last.end))),
            Some(_) | None => Some((newest, ReadLimit::Open)),
        };
        while let Some((number, end)) = next {
            let name = FileName::segment(number);
            let size = self.segments.remove(&number);
            plan.files.extend(size.map(|size| PlannedFile { name, size, end }));
            let header = if size.is_some() { header(storage, name)? } else { None };
            let previous = if let Some(header) = header {
                header.previous.map(|sealed| (sealed.number, ReadLimit::Sealed(sealed.end)))
            } else {
                let (error, loss) = if size.is_some() {
                    (unreadable(storage, name), Loss::header(storage, name))
                } else {
                    (
                        OpenError::Missing { file: storage.describe(&name.to_string()) },
                        Loss::file(storage, name),
                    )
                };
                plan.lose(on_damage, error, loss)?;
                self.guess_before(number)
            };
            next = match previous {
                _ if number <= first => None,
                Some((number, end)) if number >= first => Some((number, end)),
                // The chain must reach the first segment behind the snapshot; without one it may
                // begin anywhere.
                Some(_) | None => snapshot.map(|first| (first, ReadLimit::Open)),
            };
        }
        Ok(())
    }

    /// Where a chain that is broken at `number` goes on: the next older segment there is, as far as
    /// it can be read.
    fn guess_before(&self, number: u64) -> Option<(u64, ReadLimit)> {
        self.segments.range(..number).next_back().map(|(number, _)| (*number, ReadLimit::Open))
    }
}

/// What an orderly end has noted; `None` if it cannot be read, and then a start knows no more than
/// after a crash.
fn clean_end(storage: &dyn Storage) -> Result<Option<SegmentEnd>, OpenError> {
    let mut octets = Vec::with_capacity(FileHeader::SIZE);
    storage
        .read(CLEAN_END, 0)
        .and_then(|source| source.take(FileHeader::SIZE as u64).read_to_end(&mut octets))
        .map_err(|error| OpenError::Io { file: storage.describe(CLEAN_END), error })?;
    Ok(FileHeader::read(&octets).ok().and_then(|header| header.previous))
}

/// The header of a file; `None` if it cannot be read.
fn header(storage: &dyn Storage, name: FileName) -> Result<Option<FileHeader>, OpenError> {
    let file = || storage.describe(&name.to_string());
    let mut octets = Vec::with_capacity(FileHeader::SIZE);
    storage
        .read(&name.to_string(), 0)
        .and_then(|source| source.take(FileHeader::SIZE as u64).read_to_end(&mut octets))
        .map_err(|error| OpenError::Io { file: file(), error })?;
    match FileHeader::read(&octets) {
        Ok(header) if header.name == name => Ok(Some(header)),
        Ok(_) | Err(HeaderFault::Foreign) => Err(OpenError::Foreign { file: file() }),
        Err(HeaderFault::Format(format)) => Err(OpenError::Format { file: file(), format }),
        Err(HeaderFault::Unreadable) => Ok(None),
    }
}

/// Whether anything behind `offset` was written when more than `offset` octets were already
/// durable.
pub(in crate::journal) fn vouched_after(
    storage: &dyn Storage,
    name: FileName,
    offset: u64,
) -> Result<bool, OpenError> {
    let failed = |error| OpenError::Io { file: storage.describe(&name.to_string()), error };
    let mut scanner =
        Scanner::new(storage.read(&name.to_string(), offset).map_err(failed)?, name.number, offset);
    while let Some((_, group)) = scanner.next_group().map_err(failed)? {
        if group.durable > offset {
            return Ok(true);
        }
    }
    Ok(false)
}

fn unreadable(storage: &dyn Storage, name: FileName) -> OpenError {
    OpenError::Damage(Damage {
        file: storage.describe(&name.to_string()),
        offset: 0,
        what: "its header cannot be read".into(),
    })
}
