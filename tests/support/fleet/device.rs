//! One endpoint as its gateway knows it: what was acknowledged, what was sent and not yet answered,
//! and what must follow from both.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::owners::Owners;

/// Ended sessions that are looked for. The server remembers twice as many.
const REMEMBERED: usize = 8;

pub(super) struct Device {
    pub(super) iccid: String,
    number: usize,
    vslice: &'static str,
    is_static: bool,
    /// Of a static one for good, of a pooled one until its session ends.
    address: Option<Ipv4Addr>,
    phase: Phase,
    sessions: usize,
    ended: VecDeque<Session>,
    /// Sent, and not answered.
    pub(super) pending: Option<(Step, Vec<u8>)>,
}

enum Phase {
    Away,
    Authorised,
    Open(Session),
}

struct Session {
    id: String,
    /// As acknowledged.
    octets: u32,
    /// Whether its last report told the octets, too.
    is_exact: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Access,
    Start,
    Interim { octets: u32 },
    Stop { octets: u32 },
}

impl Device {
    pub(super) fn new(number: usize, vslice: &'static str, is_static: bool) -> Self {
        Self {
            iccid: with_check_digit(&format!("894450000000{number:06}")),
            number,
            vslice,
            is_static,
            address: None,
            phase: Phase::Away,
            sessions: 0,
            ended: VecDeque::new(),
            pending: None,
        }
    }

    pub(super) fn next(&self, random: &mut ChaCha8Rng) -> Step {
        match &self.phase {
            Phase::Away => Step::Access,
            Phase::Authorised => Step::Start,
            Phase::Open(session) => {
                let octets = session.octets + random.random_range(0..10_000);
                if random.random_ratio(1, 4) {
                    Step::Stop { octets }
                } else {
                    Step::Interim { octets }
                }
            }
        }
    }

    /// The attributes of the request for it.
    pub(super) fn lines(&self, step: Step) -> Vec<String> {
        let mut lines = vec![format!("Attachd-ICCID = {}", self.iccid)];
        let (status, octets) = match step {
            Step::Access => return lines,
            Step::Start => ("Start", None),
            Step::Interim { octets } => ("Interim-Update", Some(octets)),
            Step::Stop { octets } => ("Stop", Some(octets)),
        };
        lines.extend([
            format!("Acct-Status-Type = {status}"),
            format!("Acct-Session-Id = {}", self.session_id()),
        ]);
        lines.extend(octets.map(|octets| format!("Acct-Input-Octets = {octets}")));
        lines.extend(self.address.map(|ip| format!("Framed-IP-Address = {ip}")));
        lines
    }

    fn session_id(&self) -> String {
        format!("{}-{}", self.number, self.sessions)
    }

    /// A Stop, or the restart of its gateway, is about to be sent.
    pub(super) fn will_end(&self, owners: &Owners) {
        if let (false, Phase::Open(_), Some(ip)) = (self.is_static, &self.phase, self.address) {
            owners.release(self.vslice, ip, self.number);
        }
    }

    /// The reply is here. `accepted` is the address of an Access-Accept.
    pub(super) fn acknowledge(&mut self, step: Step, accepted: Option<Ipv4Addr>, owners: &Owners) {
        match (step, &mut self.phase) {
            (Step::Access, _) => {
                let Some(ip) = accepted else { return };
                assert!(
                    !self.is_static || self.address.is_none_or(|own| own == ip),
                    "{} had {:?} and has {ip}",
                    self.iccid,
                    self.address
                );
                owners.take(self.vslice, ip, self.number);
                self.address = Some(ip);
                self.phase = Phase::Authorised;
            }
            (Step::Start, _) => {
                self.phase =
                    Phase::Open(Session { id: self.session_id(), octets: 0, is_exact: true });
            }
            (Step::Interim { octets }, Phase::Open(session)) => session.octets = octets,
            (Step::Stop { octets }, Phase::Open(session)) => {
                session.octets = octets;
                self.end(true);
            }
            (Step::Interim { .. } | Step::Stop { .. }, Phase::Away | Phase::Authorised) => {
                panic!("{}: a report of no session", self.iccid)
            }
        }
    }

    /// Its gateway has restarted.
    pub(super) fn end(&mut self, is_exact: bool) {
        match std::mem::replace(&mut self.phase, Phase::Away) {
            Phase::Open(session) => self.ended.push_back(Session { is_exact, ..session }),
            phase @ (Phase::Authorised | Phase::Away) => return self.phase = phase,
        }
        self.sessions += 1;
        if self.ended.len() > REMEMBERED {
            self.ended.pop_front();
        }
        if !self.is_static {
            self.address = None;
        }
    }

    /// Holds what the server shows of it against what it has acknowledged. What was sent and not
    /// answered may have happened or not.
    pub(super) fn check(&self, shown: &Value, gateway_restarts: bool) {
        let pending = self.pending.as_ref().map(|(step, _)| *step);
        let fail =
            |what: &str| panic!("{what}; sent and not answered: {pending:?}; shown: {shown:#}");
        let session = |id: &str| {
            shown["sessions"]
                .as_array()
                .unwrap()
                .iter()
                .find(|session| session["acctSessionId"] == id)
        };
        let has_address = |states: &[&str]| {
            let addresses = shown["ipAddresses"].as_array().unwrap().iter();
            let mut own = addresses.filter(|address| {
                address["ip"].as_str() == self.address.map(|ip| ip.to_string()).as_deref()
            });
            own.any(|address| states.iter().any(|state| address["state"] == *state))
        };
        for ended in &self.ended {
            let Some(session) = session(&ended.id) else {
                return fail(&format!("session {} is gone", ended.id));
            };
            let octets = session["inputOctets"].as_u64().unwrap();
            let is_right = if ended.is_exact {
                octets == u64::from(ended.octets)
            } else {
                octets >= u64::from(ended.octets)
            };
            if session["endedAt"].is_null() || !is_right {
                fail(&format!("session {} ended at {} octets", ended.id, ended.octets));
            }
        }
        match &self.phase {
            Phase::Away
                if self.is_static
                    && self.address.is_some()
                    && !has_address(&["kept", "authorised"]) =>
            {
                fail("the address is gone");
            }
            Phase::Away => {}
            Phase::Authorised => {
                let states: &[&str] =
                    if pending.is_none() { &["authorised"] } else { &["authorised", "in-use"] };
                if !has_address(states) {
                    fail("the authorised address is gone");
                }
            }
            Phase::Open(open) => {
                let Some(session) = session(&open.id) else {
                    return fail(&format!("session {} is gone", open.id));
                };
                let (may_end, most) = match pending {
                    Some(Step::Stop { octets }) => (true, octets),
                    Some(Step::Interim { octets }) => (gateway_restarts, octets),
                    Some(Step::Access | Step::Start) | None => (gateway_restarts, open.octets),
                };
                if !(may_end
                    || session["endedAt"].is_null()
                        && has_address(&["in-use"])
                        && shown["networkState"]["key"] == 40)
                {
                    fail(&format!("session {} is no longer open", open.id));
                }
                if !(u64::from(open.octets)..=u64::from(most))
                    .contains(&session["inputOctets"].as_u64().unwrap())
                {
                    fail(&format!("session {} has {} to {most} octets", open.id, open.octets));
                }
            }
        }
    }
}

/// Luhn's, as every ICCID of 19 digits ends with it.
fn with_check_digit(digits: &str) -> String {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let doubled = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            doubled / 10 + doubled % 10
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}
