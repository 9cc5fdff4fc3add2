//! The real server, as people run it: its own process, a configuration, an inventory, a journal on
//! the disk.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use attachd::wire::Secret;

use crate::device::Device;
use crate::process::terminate;

pub const SECRET: &str = "a secret of 32 octets, as advised";

/// A running server; it ends with this value.
pub struct Attachd {
    child: Child,
    pub auth: SocketAddr,
    pub acct: SocketAddr,
    /// From its start until it was ready.
    pub starting: Duration,
}

impl Attachd {
    /// Starts it on what [`prepare`] has written.
    pub fn start(folder: &Path) -> io::Result<Self> {
        let begun = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_attachd"));
        command.arg("serve").arg("--config").arg(folder.join("attachd.toml"));
        let log = File::create(folder.join("log"))?;
        let mut child = command.stdout(Stdio::piped()).stderr(log).stdin(Stdio::null()).spawn()?;
        let mut lines =
            child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
        let ready = lines.find_map(|line| line.ok().filter(|line| line.contains("ready")));
        let addresses = ready
            .as_deref()
            .and_then(|ready| Some((address(ready, "auth ")?, address(ready, "acct ")?)));
        let Some((auth, acct)) = addresses else {
            let _ = child.kill();
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            let first = log.lines().next().unwrap_or_default();
            return Err(io::Error::other(format!("attachd did not start: {first}")));
        };
        Ok(Self { child, auth, acct, starting: begun.elapsed() })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it in good order.
    pub fn stop(&mut self) -> io::Result<()> {
        terminate(self.child.id());
        self.child.wait().map(drop)
    }
}

impl Drop for Attachd {
    fn drop(&mut self) {
        // One that has been stopped has been waited for, and its number may be another's.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.stop();
        }
    }
}

/// The address behind a word of the ready line.
fn address(ready: &str, word: &str) -> Option<SocketAddr> {
    ready.split(word).nth(1)?.split([',', ' ']).next()?.parse().ok()
}

/// Writes configuration and inventory. Tombstones and holds end at once, so that an endpoint that
/// attaches many times a minute, as none does, has neither more of them than one that attaches once
/// an hour, nor its old address again.
pub fn prepare(folder: &Path, endpoints: u64) -> io::Result<()> {
    fs::create_dir_all(folder.join("inventory"))?;
    fs::write(
        folder.join("attachd.toml"),
        format!(
            r#"data_dir = "data"
[radius]
auth = ["127.0.0.1:0"]
acct = ["127.0.0.1:0"]
workers = 1
[http]
listen = "127.0.0.1:0"
[inventory]
path = "inventory"
[sessions]
tombstone_s = 0
[pools]
hold_time_s = 0
[journal]
sync = "commit"
[[gateway]]
name = "pgw-01"
source = "127.0.0.0/8"
secret = "{SECRET}"
"#
        ),
    )?;
    fs::write(
        folder.join("inventory/inventory.toml"),
        r#"[[vslice]]
moniker = "bench"
name = "Bench"
[[vslice.subnet]]
cidr = "10.0.0.0/8"
allocation = "pooled"
[[group]]
moniker = "meters"
name = "Meters"
vslice = "bench"
allocation = "pooled"
interim_interval_s = 600
"#,
    )?;
    let mut csv = BufWriter::new(File::create(folder.join("inventory/endpoints.csv"))?);
    let secret = Secret::new(SECRET.as_bytes());
    writeln!(csv, "iccid,imsi,msisdn,group")?;
    for number in 0..endpoints {
        let device = Device { number, secret: &secret };
        writeln!(csv, "{},{},{},meters", device.iccid(), device.imsi(), device.msisdn())?;
    }
    csv.flush()
}
