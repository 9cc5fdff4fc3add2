//! Reloads that were asked for: by SIGHUP, or by somebody who waits for the outcome. However many
//! ask, one runs and at most one waits.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde::Serialize;
use tokio::sync::oneshot;

use super::health::{Health, HealthSeverity};

/// What a reload has brought into force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// Endpoints that are new, that have changed, and that the files no longer name.
    pub added: usize,
    pub changed: usize,
    pub gone: usize,
    /// Whether those were removed.
    pub pruned: bool,
    /// Lines and sections that were applied: those that are new, or were edited.
    pub applied: usize,
    /// Endpoints, groups and VSlices that are other than the files have them, from now on.
    pub differing: usize,
    /// Gateways configured now.
    pub gateways: usize,
    /// What the files say and was not applied, one sentence each.
    pub kept: Vec<String>,
    /// Whether the disk has it already; if not, it follows.
    pub durable: bool,
}

/// How a reload ended: what was applied; or all that is wrong, one line each, and nothing was
/// applied.
pub type ReloadOutcome = Result<Applied, Vec<String>>;

/// Tells `/readyz` how a load of the files ended.
pub(crate) fn publish(health: &Health, is_applied: bool) {
    const REASON: &str = "inventory";
    if is_applied {
        health.clear(REASON);
    } else {
        health.add(
            HealthSeverity::Degraded,
            REASON,
            "the files were refused, and the last good inventory is in force; the log says why",
        );
    }
}

/// The reloads that were asked for and have not begun.
#[derive(Debug, Default)]
pub struct Reloads {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_wanted: bool,
    waiting: Vec<oneshot::Sender<ReloadOutcome>>,
    has_ended: bool,
}

/// What the thread that reloads has to do next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Reload once, and tell all of these.
    Reload(Vec<oneshot::Sender<ReloadOutcome>>),
    /// Nothing was asked for in that time.
    Nothing,
    /// No reload begins any more.
    End,
}

impl Reloads {
    /// Asks for a reload that begins after this call. One that has not begun yet serves everybody
    /// who has asked.
    ///
    /// The outcome is for whoever waits for it. If the server stops before, there is none: the
    /// receiver ends with an error.
    pub fn request(&self) -> oneshot::Receiver<ReloadOutcome> {
        let (tell, told) = oneshot::channel();
        let mut state = self.state.lock();
        if !state.has_ended {
            state.is_wanted = true;
            // Whoever asks and goes leaves nothing behind.
            state.waiting.retain(|waiting| !waiting.is_closed());
            state.waiting.push(tell);
            self.changed.notify_one();
        }
        told
    }

    /// Waits for a request, at most so long. While it `rests`, those who ask are kept for later.
    pub(crate) fn next(&self, timeout: Duration, rests: bool) -> Next {
        let mut state = self.state.lock();
        self.changed.wait_while_for(
            &mut state,
            |state| (rests || !state.is_wanted) && !state.has_ended,
            timeout,
        );
        if state.has_ended {
            Next::End
        } else if !rests && std::mem::take(&mut state.is_wanted) {
            Next::Reload(std::mem::take(&mut state.waiting))
        } else {
            Next::Nothing
        }
    }

    /// From now on no reload begins; those that were asked for are given up.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        state.has_ended = true;
        state.waiting.clear();
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(reloads: &Reloads) -> Vec<oneshot::Sender<ReloadOutcome>> {
        match reloads.next(Duration::ZERO, false) {
            Next::Reload(waiting) => waiting,
            other => panic!("no reload: {other:?}"),
        }
    }

    #[test]
    fn many_requests_are_two_reloads_the_running_one_and_the_next() {
        let reloads = Reloads::default();
        let first = reloads.request();
        let waiting = begun(&reloads);
        let others: Vec<_> = (0..200).map(|_| reloads.request()).collect();
        for waiting in waiting {
            waiting.send(Err(vec!["the first".to_owned()])).unwrap();
        }
        assert_eq!(first.blocking_recv().unwrap(), Err(vec!["the first".to_owned()]));

        let waiting = begun(&reloads);
        assert!(
            matches!(reloads.next(Duration::ZERO, false), Next::Nothing),
            "one reload served all of them"
        );
        for waiting in waiting {
            waiting.send(Ok(Applied::default())).unwrap();
        }
        for told in others {
            assert_eq!(told.blocking_recv().unwrap(), Ok(Applied::default()));
        }
    }

    #[test]
    fn a_request_is_kept_while_the_last_reload_is_young() {
        let reloads = Reloads::default();
        let _told = reloads.request();
        assert!(matches!(reloads.next(Duration::ZERO, true), Next::Nothing));
        assert_eq!(begun(&reloads).len(), 1);
    }

    #[test]
    fn who_does_not_wait_takes_no_memory() {
        let reloads = Reloads::default();
        (0..200).for_each(|_| drop(reloads.request()));
        assert_eq!(begun(&reloads).len(), 1);
    }

    #[test]
    fn the_end_does_not_wait_for_what_has_not_begun() {
        let reloads = Reloads::default();
        let queued = reloads.request();
        reloads.end();
        assert!(matches!(reloads.next(Duration::from_secs(60), true), Next::End));
        assert!(queued.blocking_recv().is_err());
        assert!(reloads.request().blocking_recv().is_err());
    }
}
