//! What the kernel accounts for a process, and on which core it runs.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::mem;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// CPU that a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// All threads, to the nanosecond.
    pub total: Duration,
    /// In user space, to a hundredth of a second.
    pub user: Duration,
    /// In the kernel, to a hundredth of a second.
    pub system: Duration,
}

impl Spent {
    pub fn by(pid: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the name, which may hold anything, the 12th and 13th field are the times.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks =
            |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let nanos = threads.filter_map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Self {
            total: Duration::from_nanos(nanos.sum()),
            user: tick() * ticks(11) as u32,
            system: tick() * ticks(12) as u32,
        }
    }

    pub fn since(self, before: Self) -> Self {
        Self {
            total: self.total.saturating_sub(before.total),
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }

    pub fn add(&mut self, more: Self) {
        self.total += more.total;
        self.user += more.user;
        self.system += more.system;
    }

    /// Microseconds of each of so many requests: total, in user space, in the kernel. The coarse
    /// counters only divide the exact one.
    pub fn each(self, requests: u64) -> (f64, f64, f64) {
        let total = self.total.as_secs_f64() * 1e6 / requests.max(1) as f64;
        let (user, system) = (self.user.as_secs_f64(), self.system.as_secs_f64());
        let share = user / (user + system).max(0.01);
        (total, total * share, total * (1.0 - share))
    }
}

fn tick() -> Duration {
    // SAFETY: no pointer is passed.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Duration::from_secs(1) / u32::try_from(per_second).unwrap_or(100)
}

/// Octets of memory in use.
pub fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0)
        * 1024
}

/// How long the disk takes to make 4096 appended octets durable: half of the times less than the
/// first, and 99 of 100 less than the second.
pub fn sync_latencies(folder: &Path) -> io::Result<(Duration, Duration)> {
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..200 {
        file.write_all(&[7; 4096])?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    fs::remove_file(&path)?;
    Ok((times[times.len() / 2], times[times.len() * 99 / 100]))
}

/// A clock that was read without a pause and yet was not seen to move for so long stood still.
const STANDSTILL: Duration = Duration::from_millis(1);

/// How long in a second this machine stands still while both cores have work and the disk is
/// written to, and the longest time at once. A virtual machine does when it has used up what its
/// host allows; no server can answer meanwhile. Leaves the thread on core 1.
pub fn standstills(folder: &Path) -> io::Result<(Duration, Duration)> {
    let path = folder.join("standstill");
    let file = File::create(&path)?;
    let is_over = AtomicBool::new(false);
    let stood = thread::scope(|scope| {
        scope.spawn(|| {
            run_on(0);
            while !is_over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed)
                && (&file).write_all(&[7; 16_384]).and_then(|()| file.sync_data()).is_ok()
            {
                thread::sleep(Duration::from_millis(1));
            }
        });
        run_on(1);
        let begun = Instant::now();
        let (mut last, mut total, mut longest) = (begun, Duration::ZERO, Duration::ZERO);
        while last < begun + Duration::from_secs(1) {
            let now = Instant::now();
            let pause = now - last;
            last = now;
            if pause > STANDSTILL {
                total += pause;
                longest = longest.max(pause);
            }
        }
        is_over.store(true, Ordering::Relaxed);
        (total, longest)
    });
    fs::remove_file(&path)?;
    Ok(stood)
}

/// Ties this thread, and what it starts from here on, to one core. On a machine with one core
/// nothing happens.
pub fn run_on(core: usize) {
    run_on_all_of(core..=core);
}

/// Unties this thread, and what it starts from here on.
pub fn run_anywhere() {
    run_on_all_of(0..=libc::CPU_SETSIZE as usize - 1);
}

fn run_on_all_of(cores: RangeInclusive<usize>) {
    // SAFETY: the set is a plain bit field that lives until the call returns; the kernel passes
    // over cores that do not exist.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        cores.for_each(|core| libc::CPU_SET(core, &mut set));
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

/// Asks a process to end in good order.
pub fn terminate(pid: u32) {
    // SAFETY: no pointer is passed. The child has not been waited for, so the number is still its
    // own.
    unsafe { libc::kill(pid.cast_signed(), libc::SIGTERM) };
}
