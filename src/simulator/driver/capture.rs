//! Writes a sample of the packets into a pcap file, as if caught on the wire: a request always
//! together with its replies.

use std::fs::File;
use std::io::{self, BufWriter};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use etherparse::PacketBuilder;
use pcap_file::DataLink;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};

use crate::exchange::{Dispatch, SocketId};
use crate::time::Timestamp;

/// Packets that wait for the disk. When it is slower than the network, the sample becomes thinner;
/// the run does not wait.
const WAITING: usize = 65_536;

/// Where to write, and how much.
#[derive(Clone, Debug)]
pub struct CaptureOptions {
    pub path: PathBuf,
    /// One exchange in so many.
    pub one_in: u32,
}

/// A file being written.
pub(super) struct Capture {
    sender: SyncSender<Caught>,
    writer: JoinHandle<io::Result<()>>,
    one_in: u32,
}

/// How a thread adds packets.
#[derive(Clone)]
pub(super) struct CaptureHandle {
    sender: SyncSender<Caught>,
    one_in: u32,
}

struct Caught {
    at: Timestamp,
    from: SocketAddr,
    to: SocketAddr,
    octets: Box<[u8]>,
}

impl Capture {
    pub(super) fn begin(options: &CaptureOptions, epoch: Timestamp) -> io::Result<Self> {
        let header = PcapHeader { datalink: DataLink::RAW, ..PcapHeader::default() };
        let file = BufWriter::new(File::create(&options.path)?);
        let file = PcapWriter::with_header(file, header).map_err(io::Error::other)?;
        let (sender, receiver) = sync_channel(WAITING);
        let writer = thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || write(file, &receiver, epoch))?;
        Ok(Self { sender, writer, one_in: options.one_in.max(1) })
    }

    pub(super) fn handle(&self) -> CaptureHandle {
        CaptureHandle { sender: self.sender.clone(), one_in: self.one_in }
    }

    /// Writes what still waits. All handles are gone by then.
    pub(super) fn finish(self) -> io::Result<()> {
        drop(self.sender);
        self.writer.join().unwrap_or_else(|_| Err(io::Error::other("the writer has failed")))
    }
}

impl CaptureHandle {
    pub(super) fn sent(&self, at: Timestamp, dispatch: Dispatch<'_>) {
        self.add(at, dispatch.socket, dispatch.octets, |gateway| (gateway, dispatch.to));
    }

    pub(super) fn received(
        &self,
        at: Timestamp,
        socket: SocketId,
        from: SocketAddr,
        octets: &[u8],
    ) {
        self.add(at, socket, octets, |gateway| (from, gateway));
    }

    /// The identifier chooses the sample, so that both directions are in it. The gateway's address
    /// stands for its socket.
    fn add(
        &self,
        at: Timestamp,
        socket: SocketId,
        octets: &[u8],
        ends: impl Fn(SocketAddr) -> (SocketAddr, SocketAddr),
    ) {
        let identifier = octets.get(1).copied().unwrap_or_default();
        let place =
            u32::from(socket.client) << 16 ^ u32::from(socket.port) << 8 ^ u32::from(identifier);
        if !place.wrapping_mul(0x9E37_79B1).is_multiple_of(self.one_in) {
            return;
        }
        let [high, low] = socket.client.to_be_bytes();
        let gateway = SocketAddr::from((
            [192, 0, high.wrapping_add(2), low.wrapping_add(1)],
            20_000 + u16::from(socket.server) * 4096 + socket.port,
        ));
        let (from, to) = ends(gateway);
        // A full queue drops the packet.
        let _ = self.sender.try_send(Caught { at, from, to, octets: octets.into() });
    }
}

fn write(
    mut file: PcapWriter<BufWriter<File>>,
    caught: &Receiver<Caught>,
    epoch: Timestamp,
) -> io::Result<()> {
    for Caught { at, from, to, octets } in caught {
        // Addresses of different families meet only in the file, because a socket has no address of
        // its own.
        let ip = |address: SocketAddr| match address.ip() {
            IpAddr::V4(ip) => ip.octets(),
            IpAddr::V6(_) => [198, 51, 100, 1],
        };
        let mut packet = Vec::with_capacity(octets.len() + 28);
        PacketBuilder::ipv4(ip(from), ip(to), 64)
            .udp(from.port(), to.port())
            .write(&mut packet, &octets)
            .map_err(io::Error::other)?;
        let time = Duration::from_micros(epoch.micros() + at.micros());
        let len = packet.len() as u32;
        file.write_packet(&PcapPacket::new_owned(time, len, packet)).map_err(io::Error::other)?;
    }
    Ok(())
}
