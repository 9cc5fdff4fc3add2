//! The table of what follows from ACK, Stop and silence (std2 1.5), on a virtual clock: minutes
//! pass in a moment.

use std::collections::HashMap;

use super::*;
use crate::identity::Iccid;
use crate::network::{CoaChange, OrderAction, OrderReason, SessionKeys};
use crate::wire::{Code, Datagram, Encoder, LONGEST, number};

const SECRET: &[u8] = b"xyzzy5461";
const START: Timestamp = Timestamp::from_secs(1_790_000_000);
const GRACE: Duration = Duration::from_secs(60);

/// The rest of the server, as a test wants it.
#[derive(Default)]
struct Rest {
    sights: HashMap<u64, Sight>,
    learnt: Option<KeyPreset>,
    phases: HashMap<OrderKey, OrderPhase>,
    results: HashMap<OrderKey, OrderResult>,
    ended: Vec<(u64, CloseCause, Option<Timestamp>)>,
    counts: HashMap<&'static str, usize>,
    is_unreachable: bool,
    rate: u32,
}

impl World for Rest {
    fn sight(&self, order: &SessionOrder) -> Sight {
        self.sights.get(&order.session).copied().unwrap_or(Sight::Live { heard: START })
    }

    fn destination(&self, order: &SessionOrder) -> Option<Destination> {
        (!self.is_unreachable).then(|| Destination {
            gateway: order.gateway,
            address: ([192, 0, 2, 10], 3799).into(),
            secret: Secret::new(SECRET),
            preset: None,
            rate: self.rate,
        })
    }

    fn learnt(&self, _: GatewayId) -> Option<KeyPreset> {
        self.learnt
    }

    fn learn(&mut self, _: GatewayId, preset: KeyPreset) {
        self.learnt = Some(preset);
    }

    fn advance(&mut self, key: OrderKey, phase: OrderPhase, result: Option<OrderResult>) {
        self.phases.insert(key, phase);
        if let Some(result) = result {
            self.results.insert(key, result);
        }
    }

    fn end_session(&mut self, order: &SessionOrder, cause: CloseCause, until: Option<Timestamp>) {
        self.ended.push((order.session, cause, until));
        self.sights.insert(order.session, Sight::Ended);
    }

    fn count(&mut self, _: GatewayId, _: GatewayOrderKind, outcome: &'static str) {
        *self.counts.entry(outcome).or_default() += 1;
    }
}

/// A packet that was sent, and when.
#[derive(Clone)]
struct Sent {
    at: Timestamp,
    socket: SocketId,
    to: SocketAddr,
    octets: Vec<u8>,
}

impl Sent {
    /// What is written of an attribute.
    fn says(&self, name: u8) -> Option<Vec<u8>> {
        Datagram::frame(&self.octets).unwrap().first(name).map(<[u8]>::to_vec)
    }

    fn has_imsi(&self) -> bool {
        let datagram = Datagram::frame(&self.octets).unwrap();
        datagram.values().any(|value| value.key.vendor == number::tgpp::VENDOR)
    }
}

struct Play {
    dispatcher: Dispatcher,
    rest: Rest,
    now: Timestamp,
}

impl Play {
    fn new() -> Self {
        Self {
            dispatcher: Dispatcher::new(GRACE, 1),
            rest: Rest { rate: 20, ..Rest::default() },
            now: START,
        }
    }

    fn order(&mut self, session: u64, action: OrderAction, job: Option<u64>) -> OrderKey {
        let keys = SessionKeys {
            acct_session_id: format!("S{session}").into_bytes(),
            imsi: Some("001010000000001".parse().unwrap()),
            nsapi: Some(b'5'),
            nas_ip: Some([192, 0, 2, 10].into()),
            ..SessionKeys::default()
        };
        let order = SessionOrder {
            iccid: Iccid::parse(b"8944500000000000014").unwrap(),
            session,
            gateway: GatewayId::new(0),
            action,
            reason: OrderReason::Person,
            job,
            since: self.now,
            keys,
        };
        let key = order.key();
        self.dispatcher.take(Arc::new(order), OrderPhase::Requested, self.now, &mut self.rest);
        key
    }

    fn disconnect(&mut self, session: u64) -> OrderKey {
        self.order(session, OrderAction::Disconnect, None)
    }

    /// Lets time pass up to `seconds` after the start; all that is sent meanwhile.
    fn until(&mut self, seconds: u64) -> Vec<Sent> {
        let end = START + Duration::from_secs(seconds);
        let mut sent = Vec::new();
        loop {
            let mut out = Outbound::default();
            self.dispatcher.poll(self.now, &mut self.rest, &mut out);
            sent.extend(out.iter().map(|dispatch| Sent {
                at: self.now,
                socket: dispatch.socket,
                to: dispatch.to,
                octets: dispatch.octets.to_vec(),
            }));
            if self.now >= end {
                return sent;
            }
            let step = self.now + Duration::from_millis(2);
            self.now = self.dispatcher.next_deadline().map_or(end, |due| due.max(step)).min(end);
        }
    }

    fn hear(&mut self, sent: &Sent, code: Code, cause: Option<u32>) {
        let mut buffer = [0; LONGEST];
        let mut encoder = Encoder::new(&mut buffer, code, sent.octets[1]);
        if let Some(cause) = cause {
            encoder.integer(number::ERROR_CAUSE, cause);
        }
        let authenticator = sent.octets[4..20].try_into().unwrap();
        let length = encoder.finish_reply(&Secret::new(SECRET), &authenticator).unwrap();
        self.hear_octets(sent, &buffer[..length]);
    }

    fn hear_octets(&mut self, sent: &Sent, octets: &[u8]) {
        self.dispatcher.receive(self.now, sent.socket, sent.to, octets, &mut self.rest);
    }

    fn ack(&mut self, sent: &Sent) {
        self.hear(sent, Code::DISCONNECT_ACK, None);
    }

    fn nak(&mut self, sent: &Sent, cause: u32) {
        self.hear(sent, Code::DISCONNECT_NAK, Some(cause));
    }
}

/// G-14: the same octets at 0, 2, 6 and 14 s, the end by 30 s; then rounds with new packets.
#[test]
fn silence_is_followed_by_three_further_rounds() {
    let mut play = Play::new();
    let key = play.disconnect(1);
    let first = play.until(31);
    let times: Vec<u64> = first.iter().map(|sent| sent.at.since(START).as_secs()).collect();
    assert!((4..=5).contains(&first.len()), "{times:?}");
    assert!(first.iter().all(|sent| sent.octets == first[0].octets));
    for (time, wanted) in first.iter().zip([0.0, 2.0, 6.0, 14.0_f64]) {
        let at = time.at.since(START).as_secs_f64();
        assert!((at - wanted).abs() <= 0.15 * wanted + 0.01, "{at} is not {wanted}");
    }
    assert_eq!(play.rest.phases[&key], OrderPhase::Unanswered);
    assert_eq!(play.rest.results[&key].answer, OrderAnswer::NoAnswer);
    let mut starts = Vec::new();
    for sent in play.until(4000) {
        if starts.iter().all(|known: &Sent| known.octets != sent.octets) {
            starts.push(sent);
        }
    }
    let rounds: Vec<u64> = starts.iter().map(|sent| sent.at.since(START).as_secs()).collect();
    assert_eq!(rounds, [90, 420, 1350], "1, 5 and 15 minutes after the round before");
    let stamp = starts[0].says(number::EVENT_TIMESTAMP).unwrap();
    assert_eq!(u32::from_be_bytes(stamp.try_into().unwrap()), 1_790_000_090);
    // And then the session is left to itself, until it has ended.
    assert_eq!(play.rest.phases[&key], OrderPhase::Unanswered);
    play.rest.sights.insert(1, Sight::Ended);
    assert!(play.until(6000).is_empty());
    assert_eq!((play.rest.phases[&key], play.dispatcher.len()), (OrderPhase::Done, 0));
}

/// G-15 to G-17.
#[test]
fn after_an_ack_the_stop_or_the_grace_ends_it() {
    let mut play = Play::new();
    let (stopped, silent) = (play.disconnect(1), play.disconnect(2));
    let sent = play.until(0);
    for sent in &sent {
        play.ack(sent);
    }
    assert_eq!(play.rest.phases[&stopped], OrderPhase::Acknowledged);
    play.rest.sights.insert(1, Sight::Ended);
    assert!(play.until(61).is_empty());
    assert_eq!(play.rest.ended, [(2, CloseCause::Disconnected, None)]);
    for key in [stopped, silent] {
        assert_eq!(play.rest.phases[&key], OrderPhase::Done);
        assert_eq!(play.rest.results[&key].answer, OrderAnswer::Ack);
    }
    // The Stop before the answer: then 503 is a success.
    let key = play.disconnect(3);
    let sent = play.until(61);
    play.rest.sights.insert(3, Sight::Ended);
    play.nak(&sent[0], 503);
    assert_eq!(play.rest.phases[&key], OrderPhase::Done);
    assert_eq!(play.rest.results[&key].answer, OrderAnswer::Ack);
    assert_eq!(play.rest.ended.len(), 1);
}

/// G-18: a session that its gateway does not have; its address stays its for a quarter of an hour.
#[test]
fn a_session_that_is_not_there_ends() {
    let mut play = Play::new();
    let key = play.disconnect(1);
    let sent = play.until(0);
    play.nak(&sent[0], 503);
    let until = START + Duration::from_secs(900);
    assert_eq!(play.rest.ended, [(1, CloseCause::NotOnGateway, Some(until))]);
    assert_eq!(play.rest.phases[&key], OrderPhase::Done);
    // One that is reported on since it was asked for is there, whatever the gateway says.
    let key = play.disconnect(2);
    let sent = play.until(1);
    play.rest.sights.insert(2, Sight::Live { heard: START + Duration::from_secs(2) });
    play.nak(&sent[0], 503);
    assert_eq!(play.rest.phases[&key], OrderPhase::Failed);
    assert_eq!(play.rest.results[&key].note, Some("still-reporting"));
}

/// G-19, G-21: other keys once; Acct-Session-Id alone once.
#[test]
fn a_gateway_is_asked_by_keys_that_it_knows() {
    let mut play = Play::new();
    let key = play.disconnect(1);
    let first = play.until(0).remove(0);
    assert!(first.has_imsi() && first.says(number::NAS_IP_ADDRESS).is_some());
    play.nak(&first, 402);
    let second = play.until(1).remove(0);
    assert!(!second.has_imsi() && second.says(number::NAS_IP_ADDRESS).is_some());
    assert_ne!(second.octets[1], first.octets[1]);
    play.nak(&second, 508);
    let third = play.until(2).remove(0);
    assert!(third.says(number::NAS_IP_ADDRESS).is_none());
    assert_eq!(third.says(number::ACCT_SESSION_ID).as_deref(), Some(&b"S1"[..]));
    play.ack(&third);
    assert_eq!((play.rest.phases[&key], play.rest.learnt), (OrderPhase::Acknowledged, None));
    assert_eq!(play.rest.results[&key].tries, 3);

    play.disconnect(2);
    let first = play.until(3).remove(0);
    play.nak(&first, 401);
    let second = play.until(4).remove(0);
    play.ack(&second);
    assert_eq!(play.rest.learnt, Some(KeyPreset::Generic));
    play.disconnect(3);
    assert!(!play.until(5)[0].has_imsi(), "it is known by now");
}

/// G-20.
#[test]
fn a_busy_gateway_is_asked_again_after_pauses() {
    let mut play = Play::new();
    let key = play.disconnect(1);
    let mut at = 0;
    for pause in [5, 10, 20] {
        let sent = play.until(at);
        assert_eq!(sent.len(), 1, "at {at}");
        play.nak(&sent[0], 506);
        assert!(play.until(at + pause - 1).is_empty());
        at += pause;
    }
    let sent = play.until(at);
    play.nak(&sent[0], 506);
    assert_eq!(play.rest.phases[&key], OrderPhase::Failed);
    for (session, cause, repeats) in
        [(2, 504, 1), (3, 501, 0), (4, 403, 0), (5, 404, 0), (6, 201, 0)]
    {
        let key = play.disconnect(session);
        let sent = play.until(at + 1);
        play.nak(&sent[0], cause);
        let again = play.until(at + 40);
        assert_eq!(!again.is_empty(), repeats == 1, "{cause}");
        if let Some(sent) = again.first() {
            play.nak(sent, cause);
        }
        at += 41;
        assert_eq!(play.rest.phases[&key], OrderPhase::Failed, "{cause}");
        assert_eq!(play.rest.results[&key].error_cause, Some(cause));
    }
}

/// Error-Cause 406: a gateway that does not do this is left alone for ten minutes.
#[test]
fn who_does_not_do_it_is_not_asked_for_a_while() {
    let mut play = Play::new();
    play.disconnect(1);
    let sent = play.until(0);
    play.nak(&sent[0], 406);
    let key = play.disconnect(2);
    assert!(play.until(30).is_empty());
    assert_eq!(play.rest.results[&key].error_cause, Some(406));
    play.until(601);
    play.disconnect(3);
    assert_eq!(play.until(602).len(), 1);
}

/// G-22: X1 to X4 and X7 of the vectors, word for word in kind.
#[test]
fn what_is_no_answer_leaves_the_request_waiting() {
    let mut play = Play::new();
    let key = play.disconnect(1);
    let sent = play.until(0).remove(0);
    let written = |code, stamp: Option<u32>, break_at: Option<usize>| {
        let mut buffer = [0; LONGEST];
        let mut encoder = Encoder::new(&mut buffer, code, sent.octets[1]);
        encoder.message_authenticator();
        if let Some(stamp) = stamp {
            encoder.integer(number::EVENT_TIMESTAMP, stamp);
        }
        let authenticator = sent.octets[4..20].try_into().unwrap();
        let length = encoder.finish_reply(&Secret::new(SECRET), &authenticator).unwrap();
        if let Some(at) = break_at {
            buffer[at] ^= 1;
        }
        buffer[..length].to_vec()
    };
    let ack = Code::DISCONNECT_ACK;
    for (octets, from) in [
        (written(ack, None, Some(4)), sent.to),
        (written(ack, None, Some(24)), sent.to),
        (written(ack, None, Some(1)), sent.to),
        (written(ack, Some(1_790_000_000 - 400), None), sent.to),
        (written(Code::COA_ACK, None, None), sent.to),
        (written(ack, None, None), ([192, 0, 2, 11], 3799).into()),
        (written(ack, None, None), ([192, 0, 2, 10], 1700).into()),
    ] {
        play.dispatcher.receive(play.now, sent.socket, from, &octets, &mut play.rest);
        assert!(!play.rest.phases.contains_key(&key));
    }
    assert_eq!(play.rest.counts["ignored"], 7);
    assert_eq!(play.until(3).len(), 1, "it is repeated");
    play.hear_octets(&sent, &written(ack, Some(1_790_000_003), None));
    assert_eq!(play.rest.phases[&key], OrderPhase::Acknowledged);
}

/// G-25: two thousand sessions of one gateway that answers at once.
#[test]
fn a_job_keeps_to_its_rate_and_uses_no_identifier_twice() {
    let mut play = Play::new();
    for session in 0..2000 {
        play.order(session, OrderAction::Disconnect, Some(7));
    }
    let mut used: HashMap<(SocketId, u8), Timestamp> = HashMap::new();
    let mut by_second: HashMap<u64, usize> = HashMap::new();
    let mut sent_in_all = 0;
    for tenth in 0..1100 {
        play.now = START + Duration::from_millis(tenth * 100);
        let mut out = Outbound::default();
        play.dispatcher.poll(play.now, &mut play.rest, &mut out);
        let sent: Vec<Sent> = out
            .iter()
            .map(|dispatch| Sent {
                at: play.now,
                socket: dispatch.socket,
                to: dispatch.to,
                octets: dispatch.octets.to_vec(),
            })
            .collect();
        assert!(sent.len() <= 64);
        for sent in sent {
            sent_in_all += 1;
            *by_second.entry(sent.at.secs()).or_default() += 1;
            let before = used.insert((sent.socket, sent.octets[1]), sent.at);
            assert!(before.is_none_or(|before| sent.at.since(before) >= line::WINDOW));
            play.ack(&sent);
        }
    }
    assert_eq!(sent_in_all, 2000);
    let mut seconds: Vec<usize> = by_second.into_values().collect();
    seconds.sort_unstable();
    assert!(seconds.iter().rev().skip(1).all(|count| *count <= 21), "{seconds:?}");
    assert!(seconds.last().is_some_and(|most| *most <= 40), "a second's worth is saved up");
}

#[test]
fn who_waits_goes_before_a_job_and_a_job_can_be_cancelled() {
    let mut play = Play::new();
    let paced: Vec<OrderKey> =
        (0..100).map(|session| play.order(session, OrderAction::Disconnect, Some(7))).collect();
    play.until(1);
    let urgent = play.disconnect(1000);
    let next = play.until(2);
    assert_eq!(next[0].says(number::ACCT_SESSION_ID).as_deref(), Some(&b"S1000"[..]));
    play.dispatcher.cancel(7, &mut play.rest);
    play.ack(&next[0]);
    assert_eq!(play.rest.phases[&urgent], OrderPhase::Acknowledged);
    let cancelled = |key: &&OrderKey| {
        let result = play.rest.results.get(key);
        result.is_some_and(|result| result.answer == OrderAnswer::Cancelled)
    };
    assert!(paced.iter().filter(cancelled).count() >= 30);
}

/// G-24, G-28.
#[test]
fn a_second_wish_joins_the_first_and_nobody_there_is_told_at_once() {
    let mut play = Play::new();
    let key = play.disconnect(1);
    let first = play.until(0);
    assert_eq!(play.disconnect(1), key);
    assert_eq!((first.len(), play.until(1).len()), (1, 0));
    play.dispatcher.unreachable(first[0].socket.client, play.now, &mut play.rest);
    assert_eq!(play.rest.results[&key].answer, OrderAnswer::Unreachable);
    assert_eq!(play.rest.phases[&key], OrderPhase::Unanswered);
    play.rest.is_unreachable = true;
    let key = play.disconnect(2);
    assert_eq!(play.rest.results[&key].answer, OrderAnswer::NoAddress);
    assert!(play.until(10).is_empty());
}

/// G-29: a change is answered once, whatever the answer; nothing follows from it.
#[test]
fn a_change_is_told_once() {
    let mut play = Play::new();
    let change =
        || OrderAction::Change(CoaChange { session_timeout_s: Some(3600), ..CoaChange::default() });
    let key = play.order(1, change(), None);
    let sent = play.until(0).remove(0);
    assert_eq!(Datagram::frame(&sent.octets).unwrap().code(), Code::COA_REQUEST);
    assert_eq!(sent.says(number::SESSION_TIMEOUT), Some(3600_u32.to_be_bytes().to_vec()));
    play.hear(&sent, Code::COA_ACK, None);
    assert_eq!(play.rest.phases[&key], OrderPhase::Done);
    let key = play.order(2, change(), None);
    let sent = play.until(1).remove(0);
    play.hear(&sent, Code::COA_NAK, Some(503));
    assert_eq!(play.rest.phases[&key], OrderPhase::Done);
    assert!(play.rest.ended.is_empty());
}

/// G-32: a session that goes on after the ACK.
#[test]
fn who_reports_after_the_ack_is_disconnected_once_more() {
    let mut play = Play::new();
    let key = play.disconnect(1);
    let sent = play.until(0);
    play.ack(&sent[0]);
    play.rest.sights.insert(1, Sight::Live { heard: START + Duration::from_secs(30) });
    let again = play.until(61);
    assert_eq!(again.len(), 1);
    play.ack(&again[0]);
    play.rest.sights.insert(1, Sight::Live { heard: START + Duration::from_secs(90) });
    assert!(play.until(200).is_empty());
    assert_eq!(play.rest.phases[&key], OrderPhase::Failed);
    assert_eq!(play.rest.results[&key].note, Some("still-reporting"));
    assert!(play.rest.ended.is_empty());
}

/// The packet of the vectors, octet by octet in what it says (N1).
#[test]
fn the_packet_has_its_keys_in_the_order_of_the_vectors() {
    let mut play = Play::new();
    play.disconnect(1);
    let sent = play.until(0).remove(0);
    let datagram = Datagram::frame(&sent.octets).unwrap();
    assert_eq!(datagram.verify_request(&Secret::new(SECRET)), Ok(()));
    let numbers: Vec<u8> = datagram.attributes().map(|attribute| attribute.number).collect();
    assert_eq!(numbers, [80, 4, 44, 26, 26, 26, 55]);
}
