//! What a request costs the server, in the kernel's own accounting, beside the plainest UDP
//! responder on the same core.
//!
//! `cargo bench --bench server` for everything, `-- --quick` for a short look at a small fleet, `--
//! --fleet N` for one fleet of N.
//!
//! Method:
//! - Two processes share core 0: a plain recvmmsg/sendmmsg echo (this binary once more), and the
//!   real `attachd serve` with one worker and a journal that is synced before every reply (`sync =
//!   "commit"`). They are driven in turn, with the same packets, by one generator on core 1:
//!   sixteen source ports with 256 identifiers each, signed packets of one length made beforehand.
//!   It sends each datagram by itself in one round, and what goes to one address as a train (UDP
//!   GSO) in the next: as a network card delivers what trickles in, and what comes in bursts.
//! - Each round takes some endpoints, far apart in the fleet, through attach, start, interim and
//!   stop; then come rejects of unknown SIMs, and duplicates of what was sent last. As many
//!   requests as there are identifiers are on their way at once.
//! - CPU is what the scheduler accounts to all threads of the process
//!   (`/proc/PID/task/*/schedstat`), the journal's thread included, divided by the requests
//!   answered; `/proc/PID/stat` splits it into user and system. The echo's is taken in the same
//!   second, so that the machine's moods cancel out in the ratio.
//! - Then the same requests are offered at half the highest rate, and the time from sending to
//!   receiving each is taken: what a gateway sees, loopback and the generator's own turn included.
//!   Beside it stands what the bare disk takes for appending 4096 octets and an `fdatasync`, and
//!   how long a machine as busy as that stands still: no reply that waits for the disk can come
//!   sooner.
//! - Last, accounting and attaches are offered at twice the highest rate, half and half, and none
//!   is sent twice.
#![allow(unsafe_code, reason = "the yardstick is bare system calls, and cores are chosen by one")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![allow(unreachable_pub, reason = "pub is what a file offers to the others of this binary")]

mod attachd;
mod device;
mod echo;
mod generator;
mod process;

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use ::attachd::wire::{Code, Datagram, LONGEST, Secret, number};
use hdrhistogram::Histogram;

use attachd::{Attachd, SECRET, prepare};
use device::{Device, Granted, Room, Status};
use generator::{Generator, LINES, Pace, Packets, Run};
use process::{Spent, resident, run_anywhere, run_on, standstills, sync_latencies};

/// Endpoints that one round takes; few enough that their packets fit into the generator's memory,
/// many enough that no cache holds them.
const ROUND: u64 = 200_000;

/// So many replies fill the server's memory for replies.
const REJECTS: u64 = 1_300_000;

/// No SIM of any fleet.
const UNKNOWN: u64 = 9_900_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    if has("--echo") {
        return Ok(echo::respond()?);
    }
    let fleet = arguments
        .iter()
        .position(|argument| argument == "--fleet")
        .and_then(|at| arguments.get(at + 1));
    let is_short = has("--quick") || has("--test");
    let fleets: Vec<u64> = match fleet {
        Some(fleet) => vec![fleet.parse()?],
        None if has("--test") => vec![2_000],
        None if is_short => vec![10_000],
        None => vec![10_000, 1_000_000, 10_000_000],
    };
    let requests = if has("--test") {
        4_000
    } else if is_short {
        100_000
    } else {
        600_000
    };
    for endpoints in fleets {
        Bench::start(endpoints)?.measure(requests)?;
    }
    Ok(())
}

/// The kinds of request, in the order in which a round sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Attach,
    Start,
    Interim,
    Stop,
    /// A Stop once more.
    Duplicate,
    /// An Access-Request of an unknown SIM.
    Reject,
}

const KINDS: [(Kind, &str); 6] = [
    (Kind::Attach, "attach"),
    (Kind::Start, "start"),
    (Kind::Interim, "interim"),
    (Kind::Stop, "stop"),
    (Kind::Duplicate, "duplicate"),
    (Kind::Reject, "reject"),
];

/// Whether a round's datagrams go in trains.
const SENDING: [bool; 2] = [false, true];

/// What was measured of one kind.
struct Figures {
    requests: u64,
    octets: usize,
    spent: Spent,
    took: Duration,
    echo: Spent,
    echo_requests: u64,
    repeated: u64,
    latencies: Histogram<u64>,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            requests: 0,
            octets: 0,
            spent: Spent::default(),
            took: Duration::ZERO,
            echo: Spent::default(),
            echo_requests: 0,
            repeated: 0,
            latencies: Histogram::new(3).expect("three digits are allowed"),
        }
    }
}

impl Figures {
    fn rate(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64().max(1e-9)
    }

    fn shown(&self) -> String {
        let (echo, _, _) = self.echo.each(self.echo_requests);
        let (cpu, user, system) = self.spent.each(self.requests);
        format!(
            "{echo:>9.2}{cpu:>8.2}{user:>7.2}{system:>8.2}{:>7.2}{:>6.0}",
            cpu / echo.max(1e-9),
            self.rate() / 1e3
        )
    }
}

/// The echo, which ends with this value.
struct Echo(Child, SocketAddr);

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Bench {
    folder: PathBuf,
    endpoints: u64,
    server: Attachd,
    echo: Echo,
    generator: Generator,
    secret: Secret,
    buf: Room,
    packets: Packets,
    granted: Vec<Granted>,
    /// The endpoint that the first packet is about.
    first: usize,
    /// Rounds so far: each opens other sessions and sends other authenticators.
    round: u32,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Bench {
    fn start(endpoints: u64) -> Result<Self, Box<dyn Error>> {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("bench-server-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        prepare(&folder, endpoints)?;
        run_on(0);
        let mut child =
            Command::new(env::current_exe()?).arg("--echo").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let echo = Echo(child, line.trim().parse()?);
        let server = Attachd::start(&folder)?;
        run_on(1);
        let (half, most) = sync_latencies(&folder)?;
        println!(
            "\nthe disk's own sync takes {:.2} ms, in one of a hundred cases more than {:.2} ms",
            half.as_secs_f64() * 1e3,
            most.as_secs_f64() * 1e3
        );
        let (stood, longest) = standstills(&folder)?;
        println!(
            "while both cores work and the disk is written to, the machine stands still for {:.0} ms in a second, up to {:.1} ms at once",
            stood.as_secs_f64() * 1e3,
            longest.as_secs_f64() * 1e3
        );
        println!(
            "{endpoints} endpoints: ready after {:.1} s, {:.0} MB resident, {:.0} octets an endpoint",
            server.starting.as_secs_f64(),
            resident(server.pid()) as f64 / 1e6,
            resident(server.pid()) as f64 / endpoints as f64,
        );
        let granted = vec![Granted::default(); endpoints.min(ROUND) as usize];
        let secret = Secret::new(SECRET.as_bytes());
        Ok(Self {
            folder,
            endpoints,
            server,
            echo,
            generator: Generator::new()?,
            secret,
            buf: Room::default(),
            packets: Packets::default(),
            granted,
            first: 0,
            round: 0,
        })
    }

    fn measure(mut self, requests: u64) -> Result<(), Box<dyn Error>> {
        let mut figures: [[Figures; KINDS.len()]; 2] = Default::default();
        let rejects = REJECTS.min(requests * 2);
        let rounds = requests.div_ceil(self.granted.len() as u64);
        // Rejects touch what was never touched before and has nothing to do with endpoints:
        // buffers, remembered replies.
        for _ in 0..rejects.div_ceil(self.granted.len() as u64) {
            self.round += 1;
            self.fill(Kind::Reject)?;
            self.drive(Kind::Reject, Pace::Flood)?;
        }
        // The first half touches what all sessions share, too: buffers on the way to the disk,
        // replies that wait.
        let half = self.granted.len() / 2;
        self.open_sessions(0..half)?;
        let before = resident(self.server.pid());
        self.open_sessions(half..2 * half)?;
        let more = resident(self.server.pid()).saturating_sub(before);
        println!(
            "{} octets more for each of {half} further open sessions, its address included",
            more / half as u64
        );
        self.round(&mut Default::default(), None)?;
        for _ in 0..rounds {
            for (figures, in_trains) in figures.iter_mut().zip(SENDING) {
                self.generator.send_in_trains(in_trains);
                self.round(figures, None)?;
            }
        }
        let [alone, in_trains] = &mut figures;
        let rates = alone.each_ref().map(|figures| figures.rate() / 2.0);
        self.generator.send_in_trains(false);
        for _ in 0..rounds.div_ceil(4) {
            self.round(alone, Some(&rates))?;
        }
        table(alone, in_trains);
        let best =
            f64::min(alone[Kind::Attach as usize].rate(), alone[Kind::Interim as usize].rate());
        self.overload(best, requests)?;
        self.restart()
    }

    /// Takes the endpoints of one round through all kinds: as fast as may be, or at the given
    /// rates.
    fn round(
        &mut self,
        figures: &mut [Figures; KINDS.len()],
        rates: Option<&[f64; KINDS.len()]>,
    ) -> Result<(), Box<dyn Error>> {
        self.round += 1;
        for (kind, _) in KINDS {
            let figures = &mut figures[kind as usize];
            if kind == Kind::Duplicate {
                self.packets.keep_last();
            } else {
                self.fill(kind)?;
            }
            let times = if kind == Kind::Duplicate {
                self.granted.len().div_ceil(self.packets.len())
            } else {
                1
            };
            for _ in 0..times {
                let Some(rates) = rates else {
                    let before = Spent::by(self.echo.0.id());
                    self.generator.run(&self.packets, Some(self.echo.1), Pace::Flood, |_, _| {});
                    figures.echo.add(Spent::by(self.echo.0.id()).since(before));
                    figures.echo_requests += self.packets.len() as u64;
                    let before = Spent::by(self.server.pid());
                    let run = self.drive(kind, Pace::Flood)?;
                    figures.spent.add(Spent::by(self.server.pid()).since(before));
                    figures.requests += run.answered;
                    figures.repeated += run.repeated;
                    figures.took += run.took;
                    figures.octets = self.packets.size();
                    continue;
                };
                let run = self.drive(kind, Pace::Steady(rates[kind as usize]))?;
                figures.latencies.add(&run.latencies)?;
            }
        }
        Ok(())
    }

    /// The packet at place `nth`, about the endpoint at place `at`.
    fn push(&mut self, kind: Kind, nth: usize, at: usize) -> Result<(), Box<dyn Error>> {
        // An odd factor visits every endpoint of the fleet before any again, in an order that no
        // prefetcher guesses.
        let spread = (at as u64).wrapping_mul(7_919_993) % self.endpoints;
        let number = if kind == Kind::Reject { UNKNOWN + at as u64 } else { spread };
        let device = Device { number, secret: &self.secret };
        let (identifier, buf) = (Packets::identifier(nth), &mut self.buf);
        let status = match kind {
            Kind::Attach | Kind::Reject => None,
            Kind::Start => Some(Status::Start),
            Kind::Interim => Some(Status::Interim),
            Kind::Stop | Kind::Duplicate => Some(Status::Stop),
        };
        let (to, octets) = match status {
            None => {
                (self.server.auth, device.access_request(buf, identifier, u64::from(self.round))?)
            }
            Some(status) => (
                self.server.acct,
                device.accounting(buf, identifier, status, self.round, &self.granted[at])?,
            ),
        };
        self.packets.push(to, octets);
        Ok(())
    }

    /// Sends what is prepared, and sees that every answer is the one that the kind deserves.
    fn drive(&mut self, kind: Kind, pace: Pace) -> Result<Run, Box<dyn Error>> {
        let granted = &mut self.granted[self.first..];
        let run = self.generator.run(&self.packets, None, pace, |at, reply| {
            if kind == Kind::Attach
                && let Ok(accept) = Datagram::frame(&reply[..reply.len().min(LONGEST)])
            {
                let ip = accept
                    .first(number::FRAMED_IP_ADDRESS)
                    .and_then(|octets| <[u8; 4]>::try_from(octets).ok());
                let class = accept.first(number::CLASS).and_then(|octets| octets.try_into().ok());
                granted[at] = Granted { ip: ip.map(Into::into), class: class.unwrap_or_default() };
            }
        });
        let code = match kind {
            Kind::Attach => Code::ACCESS_ACCEPT,
            Kind::Reject => Code::ACCESS_REJECT,
            Kind::Start | Kind::Interim | Kind::Stop | Kind::Duplicate => Code::ACCOUNTING_RESPONSE,
        };
        match run.by_code[usize::from(code.0)] {
            right if right == run.answered => Ok(run),
            right => {
                Err(format!("{kind:?}: {right} of {} answers were {code}", run.answered).into())
            }
        }
    }

    /// Opens a session for each of these endpoints of a round.
    fn open_sessions(&mut self, endpoints: Range<usize>) -> Result<(), Box<dyn Error>> {
        self.round += 1;
        for kind in [Kind::Attach, Kind::Start] {
            self.fill_for(kind, endpoints.clone())?;
            self.drive(kind, Pace::Flood)?;
        }
        Ok(())
    }

    /// A request of this kind for each endpoint of a round.
    fn fill(&mut self, kind: Kind) -> Result<(), Box<dyn Error>> {
        self.fill_for(kind, 0..self.granted.len())
    }

    fn fill_for(&mut self, kind: Kind, endpoints: Range<usize>) -> Result<(), Box<dyn Error>> {
        self.packets.clear();
        self.first = endpoints.start;
        endpoints.enumerate().try_for_each(|(nth, at)| self.push(kind, nth, at))
    }

    /// Twice as much as can be served: interims of open sessions and new attaches in equal parts.
    fn overload(&mut self, best: f64, requests: u64) -> Result<(), Box<dyn Error>> {
        self.open_sessions(0..self.granted.len())?;
        self.packets.clear();
        for nth in 0..self.granted.len().max(requests as usize / 4) {
            let kind = if (nth / LINES).is_multiple_of(2) { Kind::Interim } else { Kind::Attach };
            self.push(kind, nth, nth % self.granted.len())?;
        }
        let run = self.generator.run(&self.packets, None, Pace::Reckless(2.0 * best), |_, _| {});
        let offered = self.packets.len() as f64 / run.took.as_secs_f64();
        println!(
            "overload: {:.0} k/s offered, {:.0} k/s answered ({:.0} % of the best), {:.0} % of accounting and {:.0} % of attaches; p99 {:.2} ms",
            offered / 1e3,
            run.answered as f64 / run.took.as_secs_f64() / 1e3,
            run.answered as f64 / run.took.as_secs_f64() / best * 100.0,
            run.by_code[usize::from(Code::ACCOUNTING_RESPONSE.0)] as f64
                / self.packets.len() as f64
                * 200.0,
            run.by_code[usize::from(Code::ACCESS_ACCEPT.0)] as f64 / self.packets.len() as f64
                * 200.0,
            run.latencies.value_at_quantile(0.99) as f64 / 1e6,
        );
        Ok(())
    }

    /// Stops the server in good order and starts it on what it has recorded.
    fn restart(&mut self) -> Result<(), Box<dyn Error>> {
        self.server.stop()?;
        run_anywhere();
        self.server = Attachd::start(&self.folder)?;
        println!(
            "restarted on its journal: ready after {:.1} s",
            self.server.starting.as_secs_f64()
        );
        Ok(())
    }
}

fn table(alone: &[Figures; KINDS.len()], in_trains: &[Figures; KINDS.len()]) {
    let side = format!(
        "{:>9}{:>8}{:>7}{:>8}{:>7}{:>6}",
        "echo us", "cpu us", "user", "system", "ratio", "k/s"
    );
    println!(
        "{:<10}{:>7} |{:^45} |{:^45} |{:^26}",
        "", "", "each datagram alone", "in trains", "latency at half the rate"
    );
    println!(
        "{:<10}{:>7} |{side} |{side} |{:>8}{:>8}{:>10}",
        "", "octets", "p50 ms", "p99 ms", "p99.9 ms"
    );
    for ((_, name), (alone, in_trains)) in KINDS.iter().zip(alone.iter().zip(in_trains)) {
        let ms = |quantile| alone.latencies.value_at_quantile(quantile) as f64 / 1e6;
        println!(
            "{name:<10}{:>7} |{} |{} |{:>8.2}{:>8.2}{:>10.2}",
            alone.octets,
            alone.shown(),
            in_trains.shown(),
            ms(0.5),
            ms(0.99),
            ms(0.999),
        );
        let repeated = alone.repeated + in_trains.repeated;
        if repeated > 0 {
            println!("{:<10}{repeated} requests had to be sent again", "");
        }
    }
}
