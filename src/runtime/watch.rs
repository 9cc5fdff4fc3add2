//! Watches the threads of the server: one that has ended ends the process (fail-stop), one that
//! stands still is told to the operator.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::{error, warn};

use super::health::{Health, HealthSeverity};

/// How often the threads are looked at.
pub(crate) const PACE: Duration = Duration::from_millis(100);

/// A thread that comes round every second or more often stands still after this.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// The same for one that may wait for the disk, or read ten million endpoints anew.
pub(crate) const LATE: Duration = Duration::from_secs(300);

/// A thread's sign of life: when it last came round, milliseconds since the process began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse(Arc<AtomicU64>);

impl Pulse {
    pub(crate) fn beat(&self, running: Duration) {
        self.0.store(running.as_millis() as u64, Ordering::Relaxed);
    }

    fn age(&self, running: Duration) -> Duration {
        running.saturating_sub(Duration::from_millis(self.0.load(Ordering::Relaxed)))
    }
}

/// The threads that a server consists of.
#[derive(Debug, Default)]
pub(crate) struct ThreadWatch {
    threads: Vec<Watched>,
    /// When they were last looked at.
    last: Duration,
}

#[derive(Debug)]
struct Watched {
    name: String,
    handle: JoinHandle<()>,
    pulse: Pulse,
    timeout: Duration,
    stands_still: bool,
}

impl ThreadWatch {
    /// A thread that is to live as long as the server, and to show its pulse at least this often.
    pub(crate) fn add(
        &mut self,
        name: &str,
        handle: JoinHandle<()>,
        pulse: Pulse,
        timeout: Duration,
    ) {
        self.threads.push(Watched {
            name: name.to_owned(),
            handle,
            pulse,
            timeout,
            stands_still: false,
        });
    }

    /// A thread that has ended though nobody told it to.
    pub(crate) fn ended(&self) -> Option<&str> {
        self.threads
            .iter()
            .find(|thread| thread.handle.is_finished())
            .map(|thread| thread.name.as_str())
    }

    /// Tells of threads that stand still, and of those that move again; calls `count` for each that
    /// has come to a stand.
    pub(crate) fn look(&mut self, running: Duration, health: &Health, mut count: impl FnMut(&str)) {
        let since = running.saturating_sub(std::mem::replace(&mut self.last, running));
        if since > SOON {
            // The whole process stood still: what the threads did meanwhile says nothing.
            return;
        }
        let mut has_changed = false;
        for thread in &mut self.threads {
            let age = thread.pulse.age(running);
            let stands_still = age > thread.timeout;
            if std::mem::replace(&mut thread.stands_still, stands_still) == stands_still {
                continue;
            }
            has_changed = true;
            if stands_still {
                error!("thread {} has stood still for {} seconds", thread.name, age.as_secs());
                count(&thread.name);
            } else {
                warn!("thread {} moves again", thread.name);
            }
        }
        if has_changed {
            self.tell(health);
        }
    }

    /// Whether none stood still at the last look.
    pub(crate) fn all_move(&self) -> bool {
        self.threads.iter().all(|thread| !thread.stands_still)
    }

    fn tell(&self, health: &Health) {
        const NAME: &str = "threads";
        let names: Vec<_> = self
            .threads
            .iter()
            .filter(|thread| thread.stands_still)
            .map(|thread| thread.name.as_str())
            .collect();
        if names.is_empty() {
            health.clear(NAME);
        } else {
            health.add(
                HealthSeverity::NotReady,
                NAME,
                format!("these threads stand still: {}; restart attachd", names.join(", ")),
            );
        }
    }

    /// Waits until all have ended.
    pub(crate) fn join(self) {
        for thread in self.threads {
            // One that has panicked has said so.
            let _ = thread.handle.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::super::health::ServerPhase;
    use super::*;

    fn serving() -> Health {
        let health = Health::default();
        health.enter(ServerPhase::Serving);
        health
    }

    #[test]
    fn a_thread_that_has_ended_is_named_however_it_ended() {
        for panics in [false, true] {
            let mut watch = ThreadWatch::default();
            let (stay, stays) = mpsc::channel::<()>();
            watch.add(
                "one that stays",
                thread::spawn(move || _ = stays.recv()),
                Pulse::default(),
                SOON,
            );
            assert_eq!(watch.ended(), None);
            let ended = thread::spawn(move || assert!(!panics, "as the test wants it"));
            while !ended.is_finished() {
                thread::yield_now();
            }
            watch.add("one that ends", ended, Pulse::default(), SOON);
            assert_eq!(watch.ended(), Some("one that ends"));
            drop(stay);
            watch.join();
        }
    }

    #[test]
    fn a_thread_that_stands_still_is_told_until_it_moves() {
        let (mut watch, health, pulse) = (ThreadWatch::default(), serving(), Pulse::default());
        let (stay, stays) = mpsc::channel::<()>();
        watch.add("worker-0", thread::spawn(move || _ = stays.recv()), pulse.clone(), SOON);
        let mut stalls = Vec::new();
        for second in 1..20 {
            let running = Duration::from_secs(second);
            if !(5..12).contains(&second) {
                pulse.beat(running);
            }
            watch.look(running, &health, |name| stalls.push((second, name.to_owned())));
            assert_eq!(health.is_ready(), !(10..12).contains(&second), "second {second}");
            assert_eq!(watch.all_move(), health.is_ready());
        }
        assert_eq!(stalls, [(10, "worker-0".to_owned())], "counted once");
        drop(stay);
        watch.join();
    }

    #[test]
    fn a_process_that_was_stopped_blames_no_thread() {
        let (mut watch, health, pulse) = (ThreadWatch::default(), serving(), Pulse::default());
        watch.add("worker-0", thread::spawn(|| {}), pulse.clone(), SOON);
        watch.look(Duration::from_secs(1), &health, |_| {});
        watch.look(Duration::from_secs(3600), &health, |name| {
            panic!("{name} was not given a chance")
        });
        pulse.beat(Duration::from_secs(3600));
        watch.look(Duration::from_secs(3601), &health, |name| panic!("{name} moves"));
        watch.join();
    }
}
