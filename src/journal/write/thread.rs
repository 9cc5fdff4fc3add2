//! The journal's threads: the committer's, which is the only part of the journal that reads a
//! clock, and that of the spare segment.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use super::group_commit::{GroupCommitter, Next, RoundTime};
use super::shared::Shared;
use crate::journal::disk::spare::Spare;

/// One commit, for the histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    pub took: Duration,
    pub records: u64,
}

/// Called after every commit, on the committer's thread.
pub type Observer = Arc<dyn Fn(Commit) + Send + Sync>;

/// The threads of a journal. Each ends by an error only if it panicked, and then there is nothing
/// left to write with.
pub(in crate::journal) struct Threads {
    committer: JoinHandle<()>,
    spare: JoinHandle<()>,
    rounds: Rounds,
}

/// When the round in progress began.
#[derive(Clone, Debug)]
struct Rounds {
    began: Instant,
    /// Microseconds behind `began`, from 1; 0: no round is in progress.
    since: Arc<AtomicU64>,
}

impl Threads {
    pub(in crate::journal) fn spawn(
        mut committer: GroupCommitter,
        shared: Arc<Shared>,
        spare: Arc<Spare>,
        observer: Observer,
    ) -> io::Result<Self> {
        let rounds = Rounds::new();
        let spare = thread::Builder::new().name("spare".into()).spawn(move || spare.serve())?;
        let own = rounds.clone();
        let committer = thread::Builder::new()
            .name("journal".into())
            .spawn(move || run(&mut committer, &shared, &own, &*observer))?;
        Ok(Self { committer, spare, rounds })
    }

    /// How long the commit in progress has taken so far; what waits behind it waits no longer than
    /// that.
    pub(in crate::journal) fn commit_in_progress(&self) -> Option<Duration> {
        self.rounds.in_progress()
    }

    /// The name of one that has ended.
    pub(in crate::journal) fn ended(&self) -> Option<&'static str> {
        [("journal", &self.committer), ("spare", &self.spare)]
            .into_iter()
            .find_map(|(name, thread)| thread.is_finished().then_some(name))
    }

    /// Waits until everything submitted is written.
    pub(in crate::journal) fn stop(self, shared: &Shared, spare: &Spare) {
        shared.order_stop();
        let _ = self.committer.join();
        spare.end();
        let _ = self.spare.join();
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "who watches the committer's thread reads the clock by which it works"
)]
impl Rounds {
    fn new() -> Self {
        Self { began: Instant::now(), since: Arc::default() }
    }

    fn in_progress(&self) -> Option<Duration> {
        let since = self.since.load(Ordering::Relaxed);
        (since > 0).then(|| self.began.elapsed().saturating_sub(Duration::from_micros(since)))
    }

    fn begin(&self, running: Duration) {
        self.since.store((running.as_micros() as u64).max(1), Ordering::Relaxed);
    }

    fn end(&self) {
        self.since.store(0, Ordering::Relaxed);
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "this thread is the shell of the journal: it gives the committer its time"
)]
fn run(
    committer: &mut GroupCommitter,
    shared: &Shared,
    rounds: &Rounds,
    observer: &(dyn Fn(Commit) + Send + Sync),
) {
    let began = rounds.began;
    loop {
        let start = began.elapsed();
        rounds.begin(start);
        let round = committer.round(RoundTime { running: start, wall: SystemTime::now().into() });
        rounds.end();
        let end = began.elapsed();
        if round.records > 0 {
            observer(Commit { took: end.saturating_sub(start), records: round.records });
        }
        match round.next {
            Next::Work(until) => shared.wait_for_work(until.map(|until| until.saturating_sub(end))),
            Next::Rest(until) => shared.rest(until.saturating_sub(end)),
            Next::Stop => return,
        }
    }
}
