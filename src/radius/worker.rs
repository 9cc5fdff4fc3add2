//! One worker: its own sockets on every address, its own runtime, and a [`WorkerCore`]. It waits,
//! feeds, flushes and counts; it decides nothing.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, Sleep};

use super::pipeline::{Arrival, Listener, Port};
use super::replies::Route;
use super::worker_core::WorkerCore;
use crate::keeping::commit::Committer;
use crate::metrics::counters::Dropped;
use crate::metrics::{Meters, SocketDrops};
use crate::radius::context::ServerContext;
use crate::runtime::watch::Pulse;
use crate::time::Timestamp;
use crate::udp::{Inbox, Outbox, Socket};

/// Datagrams taken from one socket before the next one is read. Accounting is given more: so under
/// load reports are served before new attaches, and yet nobody starves.
const ACCT_QUOTA: usize = 256;
const AUTH_QUOTA: usize = 64;

/// The longest sleep: whatever the kernel forgot to tell is found then.
const SWEEP: Duration = Duration::from_secs(1);

/// How long receipts are waited for when the server stops.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What a worker is made of; it can be sent to the worker's thread.
pub(crate) struct WorkerParts<C: Committer> {
    pub(crate) common: Arc<ServerContext>,
    pub(crate) core: WorkerCore<C>,
    /// Accounting first; a listener's index is its index here.
    pub(crate) sockets: Vec<(Listener, Socket, SocketDrops)>,
    pub(crate) meters: Meters,
    pub(crate) pulse: Pulse,
    /// Notified when batches became durable, or the journal began to fail.
    pub(crate) wake: Arc<Notify>,
    /// Changes when the server is to stop.
    pub(crate) stop: watch::Receiver<()>,
}

struct Worker<C: Committer> {
    common: Arc<ServerContext>,
    core: WorkerCore<C>,
    bound_sockets: Vec<BoundSocket>,
    meters: Meters,
    pulse: Pulse,
}

/// A socket, and what travels through it.
struct BoundSocket {
    listener: Listener,
    socket: AsyncFd<Socket>,
    drops: SocketDrops,
    inbox: Inbox,
    outbox: Outbox,
    /// The last look found nothing more.
    is_empty: bool,
    /// The kernel's readiness event is older than that look.
    is_stale: bool,
}

impl<C: Committer> WorkerParts<C> {
    /// Works until told to stop, then waits until what was taken in is answered. To be run on the
    /// worker's own runtime.
    ///
    /// # Errors
    /// If the runtime cannot watch the sockets.
    pub(crate) async fn work(self) -> io::Result<()> {
        let Self { common, core, sockets, meters, pulse, wake, mut stop } = self;
        let bound_sockets = sockets
            .into_iter()
            .map(|(listener, socket, drops)| BoundSocket::new(listener, socket, drops))
            .collect::<io::Result<_>>()?;
        let mut worker = Worker { common, core, bound_sockets, meters, pulse };
        let mut timer = Box::pin(tokio::time::sleep(SWEEP));
        while !stop.has_changed().unwrap_or(true) {
            if worker.run_batch() {
                continue;
            }
            worker.arm(timer.as_mut());
            tokio::select! {
                () = worker.arrivals() => {}
                () = wake.notified() => {}
                () = timer.as_mut() => {}
                _ = stop.changed() => break,
            }
        }
        let _ = tokio::time::timeout(TIMEOUT, worker.finish(&wake)).await;
        Ok(())
    }
}

impl<C: Committer> Worker<C> {
    /// One batch in, and out what may leave. Whether there is more to be had at once.
    fn run_batch(&mut self) -> bool {
        let began = self.common.clock.now();
        self.pulse.beat(began.running);
        self.core.begin(&self.common.gateways.load(), began, self.common.health.is_ready());
        for bound in &mut self.bound_sockets {
            let turn = bound.begin();
            drain(
                bound,
                turn,
                || self.common.clock.now().wall,
                |bound, now| self.core.handle(bound.arrivals(), now),
            );
        }
        self.core.end(self.common.clock.now(), outward(&mut self.bound_sockets));
        self.settle();
        self.bound_sockets.iter().any(|bound| !bound.is_empty)
    }

    /// Reports what was counted, then sends what may leave: who has a reply finds it in the
    /// metrics.
    fn settle(&mut self) {
        let now = self.common.clock.now();
        self.core.settle(now, outward(&mut self.bound_sockets));
        self.core.report(now.wall, &mut self.meters);
        for bound in &mut self.bound_sockets {
            let outcome = bound.outbox.flush(bound.socket.get_ref());
            self.core.pipeline.counters.strangers[Dropped::Unsent as usize] += outcome.lost as u32;
            bound.drops.report(bound.inbox.drops());
        }
    }

    /// Nothing more is taken in; what is waited for still leaves.
    async fn finish(&mut self, wake: &Notify) {
        self.core.hurry();
        self.settle();
        while !self.core.is_idle() {
            wake.notified().await;
            self.settle();
        }
    }

    /// Sets the timer to the next delayed reject, at the latest to the next sweep.
    fn arm(&self, timer: Pin<&mut Sleep>) {
        let sleep = self
            .core
            .due()
            .map_or(SWEEP, |due| due.saturating_sub(self.common.clock.now().running).min(SWEEP));
        let now = Instant::now();
        if timer.is_elapsed() || timer.deadline() > now + sleep {
            timer.reset(now + sleep);
        }
    }

    /// Waits until a socket has something.
    async fn arrivals(&mut self) {
        poll_fn(|context| {
            // All are asked, so that each will wake us.
            let ready = self
                .bound_sockets
                .iter_mut()
                .filter_map(|bound| bound.poll(context).is_ready().then_some(()))
                .count();
            if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Where datagrams come from, batch by batch.
trait Source {
    /// Takes in a batch; gives how many datagrams it has.
    fn receive(&mut self) -> usize;

    /// Whether the last look found nothing more.
    fn is_empty(&self) -> bool;
}

/// Serves what a source has, until it is empty or `turn` datagrams have been taken in. The clock is
/// read behind each receive: no time is older than the datagrams it stands for, or a hold would end
/// before its time.
fn drain<S: Source>(
    source: &mut S,
    turn: usize,
    clock: impl Fn() -> Timestamp,
    mut serve: impl FnMut(&S, Timestamp),
) {
    let mut left = turn;
    while left > 0 && !source.is_empty() {
        let received = source.receive();
        left = left.saturating_sub(received);
        if received > 0 {
            serve(source, clock());
        }
    }
}

impl Source for BoundSocket {
    fn receive(&mut self) -> usize {
        // An error is about some datagram or peer, never about the socket; a batch that is not full
        // means that no more was there.
        let received = self.inbox.receive(self.socket.get_ref()).unwrap_or(0);
        self.is_empty = !self.inbox.is_full();
        self.is_stale |= self.is_empty;
        received
    }

    fn is_empty(&self) -> bool {
        self.is_empty
    }
}

impl BoundSocket {
    fn new(listener: Listener, socket: Socket, drops: SocketDrops) -> io::Result<Self> {
        let socket = socket.watched()?;
        Ok(Self {
            listener,
            socket,
            drops,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            is_empty: false,
            is_stale: false,
        })
    }

    /// Starts reading this socket: how many datagrams may be taken before the next one is read.
    fn begin(&mut self) -> usize {
        self.is_empty = false;
        match self.listener.port {
            Port::Acct => ACCT_QUOTA,
            Port::Auth | Port::Both => AUTH_QUOTA,
        }
    }

    /// The batch last taken in.
    fn arrivals(&self) -> impl Iterator<Item = Arrival<'_>> {
        self.inbox.iter().map(|datagram| Arrival {
            listener: self.listener,
            from: datagram.from,
            to: datagram.to,
            octets: datagram.octets,
            stream: None,
        })
    }

    /// Whether the kernel has told of something since the last look. It tells only once, so nothing
    /// may lie between an empty look and this that lets the runtime run.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.socket.poll_read_ready(context) {
                Poll::Ready(Ok(mut guard)) if self.is_stale => {
                    guard.clear_ready();
                    self.is_stale = false;
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    self.is_stale = false;
                    return Poll::Pending;
                }
            }
        }
    }
}

/// Puts a reply into the outbox of the socket by which its request came.
fn outward(bound_sockets: &mut [BoundSocket]) -> impl FnMut(&Route, &[u8]) {
    |route, octets| {
        if let Some(bound) = bound_sockets.get_mut(usize::from(route.listener)) {
            bound.outbox.push(route.to, route.from, octets);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A socket at which datagrams arrive while it is being read: each receive takes some
    /// milliseconds of the clock.
    struct Busy<'c> {
        clock: &'c Cell<u64>,
        /// How many datagrams each further receive finds.
        batches: Vec<usize>,
        /// When the newest datagram of the present batch arrived.
        newest: u64,
    }

    impl Source for Busy<'_> {
        fn receive(&mut self) -> usize {
            self.clock.set(self.clock.get() + 8);
            self.newest = self.clock.get();
            self.batches.remove(0)
        }

        fn is_empty(&self) -> bool {
            self.batches.is_empty()
        }
    }

    /// Serves a turn; for each batch: when its newest datagram arrived, and the time it was served
    /// with.
    fn run_batch(turn: usize, batches: &[usize]) -> Vec<(u64, u64)> {
        let clock = Cell::new(1_000);
        let mut busy = Busy { clock: &clock, batches: batches.to_vec(), newest: 0 };
        let mut served = Vec::new();
        let read = || Timestamp::from_millis(clock.get());
        drain(&mut busy, turn, read, |source, now| served.push((source.newest, now.millis())));
        served
    }

    /// It was read before the turn, and a hold of 2 s ended after 1.9915 s.
    #[test]
    fn no_datagram_is_served_with_a_time_before_its_arrival() {
        assert_eq!(
            run_batch(256, &[64, 64, 0, 3]),
            [(1_008, 1_008), (1_016, 1_016), (1_032, 1_032)]
        );
    }

    #[test]
    fn a_turn_ends_when_its_datagrams_have_been_taken_in() {
        assert_eq!(run_batch(128, &[64, 64, 64]).len(), 2);
        assert_eq!(run_batch(100, &[64, 64, 64]).len(), 2, "a batch is served whole");
    }
}
