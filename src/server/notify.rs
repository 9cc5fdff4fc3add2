//! What the service manager is told (sd_notify): ready, reloading, stopping, and that all is well.
//! Without one, as in a terminal, nobody is told anything.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

/// Requests are answered from now on. `status` is shown by `systemctl status`.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload has begun; [`reloaded`] tells its end.
pub(super) fn reloading() {
    let states = NotifyState::monotonic_usec_now().map(|now| [NotifyState::Reloading, now]);
    match states {
        Ok(states) => tell(&states),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The reload is over, however it ended.
pub(super) fn reloaded(is_applied: bool) {
    let status = if is_applied {
        "serving"
    } else {
        "serving; the last reload was refused, and the log says why"
    };
    ready(status);
}

/// Nothing new is taken in from now on.
pub(super) fn stopping() {
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("recording and answering what was taken in"),
    ]);
}

/// Signs of life, as often as the service manager wants them.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// `None`: nobody waits for them.
    every: Option<Duration>,
    last: Option<Duration>,
}

impl Watchdog {
    /// As the environment of the process says.
    pub(super) fn wanted() -> Self {
        Self::within(sd_notify::watchdog_enabled())
    }

    /// Three signs in the time after which one would be missed.
    fn within(timeout: Option<Duration>) -> Self {
        Self { every: timeout.map(|timeout| timeout / 3), last: None }
    }

    /// To be called while all is well; `running` since the process began.
    pub(super) fn all_is_well(&mut self, running: Duration) {
        if self.is_due(running) {
            tell(&[NotifyState::Watchdog]);
        }
    }

    fn is_due(&mut self, running: Duration) -> bool {
        let Some(every) = self.every else { return false };
        let is_due = self.last.is_none_or(|last| running >= last + every);
        if is_due {
            self.last = Some(running);
        }
        is_due
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!("the service manager could not be told: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_signs_are_given_in_the_time_that_is_waited() {
        let mut watchdog = Watchdog::within(Some(Duration::from_secs(30)));
        let due: Vec<u64> =
            (0..31).filter(|second| watchdog.is_due(Duration::from_secs(*second))).collect();
        assert_eq!(due, [0, 10, 20, 30]);
        assert!(!Watchdog::within(None).is_due(Duration::from_secs(100)));
    }
}
