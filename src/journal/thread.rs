//! The journal's threads: the committer's, which is the only part of the journal that reads a clock, and that of the spare segment.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use super::committer::{Committer, Moment, Next};
use super::shared::Shared;
use super::spare::Spare;

/// One commit, for the histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    pub took: Duration,
    pub records: u64,
}

/// Called after every commit, on the committer's thread.
pub type Observer = Arc<dyn Fn(Commit) + Send + Sync>;

/// The threads of a journal. Each ends by an error only if it panicked, and then there is nothing left to write with.
pub(super) struct Threads {
    committer: JoinHandle<()>,
    spare: JoinHandle<()>,
}

impl Threads {
    pub(super) fn spawn(mut committer: Committer, shared: Arc<Shared>, spare: Arc<Spare>, observer: Observer) -> io::Result<Self> {
        let spare = thread::Builder::new().name("spare".into()).spawn(move || spare.serve())?;
        let committer = thread::Builder::new().name("journal".into()).spawn(move || run(&mut committer, &shared, &*observer))?;
        Ok(Self { committer, spare })
    }

    /// Waits until everything submitted is written.
    pub(super) fn stop(self, shared: &Shared, spare: &Spare) {
        shared.order_stop();
        let _ = self.committer.join();
        spare.end();
        let _ = self.spare.join();
    }
}

#[allow(clippy::disallowed_methods, reason = "this thread is the shell of the journal: it gives the committer its time")]
fn run(committer: &mut Committer, shared: &Shared, observer: &(dyn Fn(Commit) + Send + Sync)) {
    let began = Instant::now();
    loop {
        let start = began.elapsed();
        let round = committer.round(Moment { running: start, wall: SystemTime::now().into() });
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
