//! PROTOCOL 11, "usage is never lost": what gateways reported and the server acknowledged, against
//! what it shows.

use std::collections::HashMap;

use attachd::aaa::Aaa;
use attachd::exchange::SocketId;
use attachd::time::Timestamp;
use attachd::wire::{Code, Datagram, Secret, number};

use super::network::Way;
use super::operator::Operator;

/// Who waits for an answer: a shard's socket, and the identifier of the request.
type Asked = (usize, SocketId, u8);

/// Octets (input, output).
type Octets = (u64, u64);

/// Reads along on the wire.
pub struct Meter {
    secret: Secret,
    asked: HashMap<Asked, Report>,
    /// By Acct-Session-Id, which the gateways of a day never give twice.
    acknowledged: HashMap<String, (Octets, Timestamp)>,
    /// Sessions that were compared, all checks together.
    pub compared: u64,
}

struct Report {
    authenticator: [u8; 16],
    session: String,
    octets: Octets,
}

impl Meter {
    pub fn new(secret: &[u8]) -> Self {
        Self {
            secret: Secret::new(secret),
            asked: HashMap::new(),
            acknowledged: HashMap::new(),
            compared: 0,
        }
    }

    /// A gateway sends something. What the simulated network has damaged says nothing.
    pub fn sent(&mut self, way: Way, octets: &[u8]) {
        let Ok(datagram) = Datagram::frame(octets) else { return };
        if datagram.code() != Code::ACCOUNTING_REQUEST
            || datagram.verify_request(&self.secret).is_err()
        {
            return;
        }
        let value =
            |number| datagram.attributes().find(|one| one.number == number).map(|one| one.value);
        let integer = |number| {
            value(number).and_then(|value| value.try_into().ok()).map_or(0, u32::from_be_bytes)
        };
        let count =
            |octets, gigawords| u64::from(integer(gigawords)) << 32 | u64::from(integer(octets));
        let Some(session) = value(number::ACCT_SESSION_ID) else { return };
        let report = Report {
            authenticator: *datagram.authenticator(),
            session: String::from_utf8_lossy(session).into_owned(),
            octets: (
                count(number::ACCT_INPUT_OCTETS, number::ACCT_INPUT_GIGAWORDS),
                count(number::ACCT_OUTPUT_OCTETS, number::ACCT_OUTPUT_GIGAWORDS),
            ),
        };
        self.asked.insert((way.shard, way.socket, datagram.identifier()), report);
    }

    /// A gateway has an answer.
    pub fn answered(&mut self, way: Way, octets: &[u8], now: Timestamp) {
        let Ok(datagram) = Datagram::frame(octets) else { return };
        let asked = (way.shard, way.socket, datagram.identifier());
        let Some(report) = self.asked.get(&asked) else { return };
        if datagram.code() == Code::ACCOUNTING_RESPONSE
            && datagram.verify_reply(&report.authenticator, &self.secret).is_ok()
        {
            let (octets, at) =
                self.acknowledged.entry(report.session.clone()).or_insert(((0, 0), now));
            (octets.0, octets.1, *at) =
                (octets.0.max(report.octets.0), octets.1.max(report.octets.1), now);
        }
    }

    /// No session that the server shows, open, ending or ended, has less than it acknowledged. But
    /// of an endpoint whose SIM was replaced: the gateways report what it had open as the session of
    /// the endpoint that took its place.
    pub fn compare(&mut self, aaa: &Aaa, operator: &Operator, problems: &mut Vec<String>) {
        let Self { acknowledged, compared, .. } = self;
        let replaced = operator.replaced();
        aaa.for_each(|iccid, entry| {
            if replaced.contains(&*iccid.to_string()) {
                return;
            }
            for session in &entry.state.sessions {
                let Some(bearer) = session.bearers().next() else { continue };
                let Some((reported, at)) = acknowledged.get(&*bearer.acct_session_id.to_string())
                else {
                    continue;
                };
                let shown = session.octets();
                *compared += 1;
                if shown.0 < reported.0 || shown.1 < reported.1 {
                    let how = session.ended;
                    problems.push(format!(
                        "{iccid} {}: {shown:?} octets, but {reported:?} acknowledged at {at:?}; ended {how:?}",
                        bearer.acct_session_id
                    ));
                }
            }
        });
    }
}
