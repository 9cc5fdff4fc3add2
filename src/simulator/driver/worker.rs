//! One thread: waits, feeds its shard, sends what the shard wants sent, tells every second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::RunClock;
use super::capture::CaptureHandle;
use super::sockets::Sockets;
use crate::simulator::counters::Interval;
use crate::simulator::plan::RunPlan;
use crate::simulator::shard::Shard;
use crate::time::Timestamp;

/// How long a thread sleeps at most, so that it notices that it is to stop.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// What a thread tells the observer.
pub(super) enum ShardMessage {
    Second {
        shard: usize,
        number: u64,
        phase: usize,
        interval: Interval,
    },
    /// This shard has told all its seconds.
    Done {
        shard: usize,
    },
}

pub(super) struct ShardThread {
    index: usize,
    clock: RunClock,
    shard: Shard,
    sockets: Sockets,
    stop: Arc<AtomicBool>,
    capture: Option<CaptureHandle>,
    /// The second that is being counted.
    second: u64,
}

impl ShardThread {
    pub(super) fn new(
        index: usize,
        clock: RunClock,
        plan: &RunPlan,
        shard: Shard,
        stop: Arc<AtomicBool>,
        capture: Option<CaptureHandle>,
    ) -> Self {
        Self { index, clock, shard, sockets: Sockets::new(index, plan), stop, capture, second: 0 }
    }

    /// Runs until the shard is over; gives it back for the final count.
    pub(super) fn run(mut self, messages: &Sender<ShardMessage>) -> Shard {
        let mut stopped = false;
        loop {
            let now = self.clock.now();
            if !stopped && self.stop.load(Ordering::Relaxed) {
                self.shard.stop(now);
                stopped = true;
            }
            self.shard.poll(now);
            self.send(now);
            self.tell(now, messages);
            // A run that was stopped does not wait for what is owed.
            if stopped || self.shard.is_over(now) {
                break;
            }
            let next = self.shard.next_deadline().map_or(LONGEST_SLEEP, |due| due.since(now));
            self.receive(next.min(LONGEST_SLEEP));
        }
        if !self.shard.is_quiet() {
            self.tell_second(messages);
        }
        let _ = messages.send(ShardMessage::Done { shard: self.index });
        self.shard
    }

    fn send(&mut self, now: Timestamp) {
        let outbound = self.shard.outbound();
        if outbound.is_empty() {
            return;
        }
        if let Some(capture) = &self.capture {
            outbound.iter().for_each(|dispatch| capture.sent(now, dispatch));
        }
        self.sockets.send(outbound);
        outbound.clear();
    }

    fn receive(&mut self, timeout: Duration) {
        let Self { clock, shard, sockets, capture, .. } = self;
        sockets.wait(timeout);
        let now = clock.now();
        sockets.receive(|door, from, octets| {
            if let Some(capture) = capture {
                capture.received(now, door, from, octets);
            }
            shard.receive(now, door, from, octets);
        });
    }

    fn tell(&mut self, now: Timestamp, messages: &Sender<ShardMessage>) {
        while now.secs() > self.second {
            self.tell_second(messages);
        }
    }

    fn tell_second(&mut self, messages: &Sender<ShardMessage>) {
        let (number, phase, interval) =
            (self.second, self.shard.phase(), self.shard.take_interval());
        self.second += 1;
        // Whoever listened may be gone; then nobody misses it.
        let _ = messages.send(ShardMessage::Second { shard: self.index, number, phase, interval });
    }
}
