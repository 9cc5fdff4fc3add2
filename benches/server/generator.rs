//! The gateway's side: several source ports, each with its 256 identifiers, in bursts through
//! batched sockets.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use attachd::udp::{BATCH, Inbox, Outbox, Socket};
use hdrhistogram::Histogram;

/// Source ports of the gateway.
pub const LINES: usize = 16;

/// A request without an answer is sent again after this time, as gateways do.
const TIMEOUT: Duration = Duration::from_millis(500);

/// Signed requests, one behind the other.
#[derive(Default)]
pub struct Packets {
    octets: Vec<u8>,
    list: Vec<(usize, SocketAddr)>,
}

impl Packets {
    pub fn push(&mut self, to: SocketAddr, packet: &[u8]) {
        self.octets.extend_from_slice(packet);
        self.list.push((self.octets.len(), to));
    }

    pub fn clear(&mut self) {
        self.octets.clear();
        self.list.clear();
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Keeps what each line and identifier was last used for since both began anew.
    pub fn keep_last(&mut self) {
        let surplus = self.list.len().saturating_sub(1) / (LINES * 256) * (LINES * 256);
        if let Some(last) = surplus.checked_sub(1).and_then(|last| self.list.get(last)).copied() {
            self.octets.drain(..last.0);
            self.list.drain(..surplus);
            self.list.iter_mut().for_each(|packet| packet.0 -= last.0);
        }
    }

    /// Octets of the packets on average.
    pub fn size(&self) -> usize {
        self.octets.len() / self.list.len().max(1)
    }

    /// The identifier that the packet at this place has to carry, so that no two on their way share
    /// one.
    pub const fn identifier(at: usize) -> u8 {
        (at / LINES % 256) as u8
    }

    fn get(&self, at: usize) -> (SocketAddr, &[u8]) {
        let start = at.checked_sub(1).map_or(0, |before| self.list[before].0);
        let (end, to) = self.list[at];
        (to, &self.octets[start..end])
    }
}

/// How requests are offered.
#[derive(Clone, Copy)]
pub enum Pace {
    /// The next one as soon as its identifier is free: as fast as the server answers.
    Flood,
    /// So many a second, held back only when identifiers run out.
    Steady(f64),
    /// So many a second whatever happens, and none twice.
    Reckless(f64),
}

/// What came of a run.
pub struct Run {
    pub answered: u64,
    pub repeated: u64,
    pub took: Duration,
    pub latencies: Histogram<u64>,
    pub by_code: [u64; 256],
}

pub struct Generator {
    lines: Vec<Line>,
    clock: Instant,
}

struct Line {
    socket: Socket,
    inbox: Inbox,
    outbox: Outbox,
    slots: Vec<Option<Sent>>,
    /// How many of its packets have been sent.
    sent: usize,
}

#[derive(Clone, Copy)]
struct Sent {
    packet: usize,
    at: Duration,
    first: Duration,
}

impl Generator {
    pub fn new() -> io::Result<Self> {
        let line = || {
            let socket = Socket::open_all("127.0.0.1:0".parse().expect("an address"), 1)?.remove(0);
            Ok(Line {
                socket,
                inbox: Inbox::default(),
                outbox: Outbox::default(),
                slots: vec![None; 256],
                sent: 0,
            })
        };
        Ok(Self {
            lines: (0..LINES).map(|_| line()).collect::<io::Result<_>>()?,
            clock: Instant::now(),
        })
    }

    /// Whether what goes to one address at once may go as one message that is cut up later; else
    /// each datagram goes alone.
    pub fn send_in_trains(&mut self, yes: bool) {
        self.lines.iter_mut().for_each(|line| {
            line.outbox = if yes { Outbox::default() } else { Outbox::one_by_one() }
        });
    }

    /// Sends all packets to where they belong, or all to `instead`; `hear` is shown each reply with
    /// the place of its packet.
    pub fn run(
        &mut self,
        packets: &Packets,
        instead: Option<SocketAddr>,
        pace: Pace,
        mut hear: impl FnMut(usize, &[u8]),
    ) -> Run {
        let mut run = Run {
            answered: 0,
            repeated: 0,
            took: Duration::ZERO,
            latencies: Histogram::new(3).expect("three digits are allowed"),
            by_code: [0; 256],
        };
        let begin = self.clock.elapsed();
        let mut offered = 0;
        let mut swept = begin;
        let mut last_sent = begin;
        self.lines.iter_mut().for_each(Line::begin);
        let mut first = 0;
        loop {
            let now = self.clock.elapsed();
            let mut allowed = match pace {
                Pace::Flood => usize::MAX,
                Pace::Steady(rate) | Pace::Reckless(rate) => {
                    ((now.saturating_sub(begin).as_secs_f64() * rate) as usize)
                        .saturating_sub(offered)
                }
            };
            first = (first + 1) % LINES;
            for turn in 0..LINES {
                let number = (first + turn) % LINES;
                let sent = self.lines[number].send(number, packets, instead, pace, allowed, now);
                allowed -= sent;
                offered += sent;
                last_sent = if sent > 0 { now } else { last_sent };
                self.lines[number].hear(self.clock, &mut run, &mut hear);
            }
            let is_over = match pace {
                Pace::Reckless(_) => offered == packets.len() && now > last_sent + TIMEOUT / 4,
                _ => run.answered as usize == packets.len(),
            };
            if is_over {
                run.took = if matches!(pace, Pace::Reckless(_)) {
                    last_sent
                } else {
                    self.clock.elapsed()
                }
                .saturating_sub(begin);
                return run;
            }
            if now > swept + TIMEOUT / 4 && !matches!(pace, Pace::Reckless(_)) {
                swept = now;
                run.repeated += self
                    .lines
                    .iter_mut()
                    .map(|line| line.repeat(packets, instead, now))
                    .sum::<u64>();
            }
        }
    }
}

impl Line {
    fn begin(&mut self) {
        self.sent = 0;
        self.slots.fill(None);
        // What an earlier run left behind.
        while self.inbox.receive(&self.socket).is_ok() {}
    }

    /// Sends what identifiers and pace allow, at most a batch.
    fn send(
        &mut self,
        number: usize,
        packets: &Packets,
        instead: Option<SocketAddr>,
        pace: Pace,
        allowed: usize,
        now: Duration,
    ) -> usize {
        let mut sent = 0;
        while sent < allowed.min(BATCH) {
            let place = self.sent * LINES + number;
            let slot = &mut self.slots[self.sent % 256];
            if place >= packets.len() || (slot.is_some() && !matches!(pace, Pace::Reckless(_))) {
                break;
            }
            *slot = Some(Sent { packet: place, at: now, first: now });
            let (to, octets) = packets.get(place);
            self.outbox.push(instead.unwrap_or(to), None, octets);
            self.sent += 1;
            sent += 1;
        }
        self.outbox.flush(&self.socket);
        sent
    }

    fn hear(&mut self, clock: Instant, run: &mut Run, hear: &mut impl FnMut(usize, &[u8])) {
        while self.inbox.receive(&self.socket).is_ok_and(|count| count > 0) {
            let now = clock.elapsed();
            for reply in self.inbox.iter() {
                let [code, identifier, ..] = *reply.octets else { continue };
                let Some(sent) = self.slots[usize::from(identifier)].take() else { continue };
                run.answered += 1;
                run.by_code[usize::from(code)] += 1;
                let _ = run.latencies.record(now.saturating_sub(sent.first).as_nanos() as u64);
                hear(sent.packet, reply.octets);
            }
        }
    }

    fn repeat(&mut self, packets: &Packets, instead: Option<SocketAddr>, now: Duration) -> u64 {
        let mut repeated = 0;
        for slot in self.slots.iter_mut().flatten().filter(|slot| now > slot.at + TIMEOUT) {
            slot.at = now;
            let (to, octets) = packets.get(slot.packet);
            self.outbox.push(instead.unwrap_or(to), None, octets);
            repeated += 1;
        }
        self.outbox.flush(&self.socket);
        repeated
    }
}
