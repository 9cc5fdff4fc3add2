//! Reads the server's own view of its sessions: a few lines of HTTP/1.1 over one connection.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde::Deserialize;

use crate::printable;
use crate::simulator::referee::ShownSession;

/// A server that is slower than this to show one endpoint has other troubles.
const TIMEOUT: Duration = Duration::from_secs(5);

/// More than any endpoint's sessions take.
const LONGEST_BODY: usize = 4 * 1024 * 1024;

pub(super) struct ViewClient {
    connection: BufReader<TcpStream>,
    host: SocketAddr,
}

/// The envelope of every answer of the API, as far as it matters here.
#[derive(Deserialize)]
struct Envelope {
    /// None for an endpoint that the server does not know.
    data: Option<Vec<ViewedSession>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ViewedSession {
    acct_session_id: String,
    ip: Option<Ipv4Addr>,
    ended_at: Option<String>,
    #[serde(default)]
    input_octets: u64,
    #[serde(default)]
    output_octets: u64,
}

impl ViewClient {
    pub(super) fn connect(host: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&host, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self { connection: BufReader::new(stream), host })
    }

    /// All sessions that the server shows of an endpoint.
    pub(super) fn sessions(&mut self, iccid: &str) -> io::Result<Vec<ShownSession>> {
        let body = self.get(&format!("/api/v1/sessions?iccid={iccid}"))?;
        let envelope: Envelope = serde_json::from_slice(&body)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        let seen = |session: ViewedSession| ShownSession {
            // What gateways called it, in the words of whoever answers there.
            acct_session_id: printable::text(&session.acct_session_id).to_string(),
            address: session.ip,
            ended: session.ended_at.is_some(),
            input: session.input_octets,
            output: session.output_octets,
        };
        Ok(envelope.data.unwrap_or_default().into_iter().map(seen).collect())
    }

    fn get(&mut self, path: &str) -> io::Result<Vec<u8>> {
        write!(
            self.connection.get_mut(),
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\n\r\n",
            self.host
        )?;
        let mut length = None;
        loop {
            let mut line = String::new();
            if self.connection.read_line(&mut line)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok().filter(|length: &usize| *length <= LONGEST_BODY);
            }
        }
        let length = length
            .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "an answer of unknown length"))?;
        let mut body = vec![0; length];
        self.connection.read_exact(&mut body)?;
        Ok(body)
    }
}
