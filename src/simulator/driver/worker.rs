//! One thread: waits, feeds its region, sends what the region wants sent, tells every second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::Clock;
use super::capture::Handle;
use super::sockets::Sockets;
use crate::simulator::moment::Moment;
use crate::simulator::plan::Plan;
use crate::simulator::region::Region;
use crate::simulator::tally::Interval;

/// How long a thread sleeps at most, so that it notices that it is to stop.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// What a thread tells the observer.
pub(super) enum News {
    Second {
        region: usize,
        number: u64,
        phase: usize,
        interval: Interval,
    },
    /// This region has told all its seconds.
    Done {
        region: usize,
    },
}

pub(super) struct Worker {
    index: usize,
    clock: Clock,
    region: Region,
    sockets: Sockets,
    stop: Arc<AtomicBool>,
    capture: Option<Handle>,
    /// The second that is being counted.
    second: u64,
}

impl Worker {
    pub(super) fn new(
        index: usize,
        clock: Clock,
        plan: &Plan,
        region: Region,
        stop: Arc<AtomicBool>,
        capture: Option<Handle>,
    ) -> Self {
        Self { index, clock, region, sockets: Sockets::new(index, plan), stop, capture, second: 0 }
    }

    /// Runs until the region is over; gives it back for the final count.
    pub(super) fn run(mut self, news: &Sender<News>) -> Region {
        let mut stopped = false;
        loop {
            let now = self.clock.now();
            if !stopped && self.stop.load(Ordering::Relaxed) {
                self.region.stop(now);
                stopped = true;
            }
            self.region.poll(now);
            self.send(now);
            self.tell(now, news);
            // A run that was stopped does not wait for what is owed.
            if stopped || self.region.is_over(now) {
                break;
            }
            let next = self.region.next_deadline().map_or(LONGEST_SLEEP, |due| due.since(now));
            self.receive(next.min(LONGEST_SLEEP));
        }
        if !self.region.is_quiet() {
            self.tell_second(news);
        }
        let _ = news.send(News::Done { region: self.index });
        self.region
    }

    fn send(&mut self, now: Moment) {
        let outbound = self.region.outbound();
        if outbound.is_empty() {
            return;
        }
        if let Some(capture) = &self.capture {
            outbound.iter().for_each(|dispatch| capture.sent(now, dispatch));
        }
        self.sockets.send(outbound);
        outbound.clear();
    }

    fn receive(&mut self, patience: Duration) {
        let Self { clock, region, sockets, capture, .. } = self;
        sockets.wait(patience);
        let now = clock.now();
        sockets.receive(|door, from, octets| {
            if let Some(capture) = capture {
                capture.received(now, door, from, octets);
            }
            region.receive(now, door, from, octets);
        });
    }

    fn tell(&mut self, now: Moment, news: &Sender<News>) {
        while now.secs() > self.second {
            self.tell_second(news);
        }
    }

    fn tell_second(&mut self, news: &Sender<News>) {
        let (number, phase, interval) =
            (self.second, self.region.phase(), self.region.take_interval());
        self.second += 1;
        // Whoever listened may be gone; then nobody misses it.
        let _ = news.send(News::Second { region: self.index, number, phase, interval });
    }
}
