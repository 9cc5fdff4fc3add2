//! What must be true after anything that can happen, in any order.

use crate::address::AddressKind;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// What a gateway may send; few names and times, so that they collide.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    kind: Kind,
    id: char,
    multi: bool,
    nas: u32,
    apn: &'static str,
    secs: u64,
    octets: Option<u32>,
    last_bearer: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Start,
    Interim,
    Stop,
}

#[derive(Clone, Debug)]
enum Act {
    Send(Sent),
    Attach,
    Detach(u64),
    CloseAll(CloseCause),
    Assign,
    Restart(u32, u64),
    Grant,
    /// After this many seconds.
    Settle(u64),
}

fn sent() -> impl Strategy<Value = Sent> {
    let kind = prop_oneof![Just(Kind::Start), Just(Kind::Interim), Just(Kind::Stop)];
    let octets =
        proptest::option::of(prop_oneof![0u32..1000, Just(4_000_000_000), Just(2_500_000_000)]);
    let apn = prop_oneof![Just("iot"), Just("IOT"), Just("web")];
    (
        kind,
        prop_oneof![Just('a'), Just('b'), Just('c')],
        any::<bool>(),
        1u32..3,
        apn,
        0u64..20,
        octets,
        proptest::bool::weighted(0.1),
    )
        .prop_map(|(kind, id, multi, nas, apn, secs, octets, last_bearer)| Sent {
            kind,
            id,
            multi,
            nas,
            apn,
            secs,
            octets,
            last_bearer,
        })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => sent().prop_map(Act::Send),
        1 => Just(Act::Attach),
        1 => (0u64..20).prop_map(Act::Detach),
        1 => proptest::sample::select(&CloseCause::ALL).prop_map(Act::CloseAll),
        1 => Just(Act::Assign),
        1 => (1u32..3, 0u64..20).prop_map(|(nas, secs)| Act::Restart(nas, secs)),
        1 => Just(Act::Grant),
        2 => prop_oneof![0u64..100, 0u64..5000].prop_map(Act::Settle),
    ]
}

/// Hands a packet over as the shell would.
fn deliver(endpoint: &mut EndpointState, sent: &Sent, now: Timestamp) -> Outcome {
    let id = sent.id.to_string();
    // a and b are bearers of one session where the gateway says so.
    let multi: Option<&[u8]> = if sent.multi && sent.id != 'c' { Some(b"m") } else { None };
    let report = Report {
        reporter: reporter(sent.nas),
        acct_multi_session_id: multi,
        apn: Some(sent.apn.as_bytes()),
        counters: Counters { input: sent.octets, output: sent.octets, ..Counters::default() },
        last_bearer: sent.last_bearer,
        ..report(&id, sent.secs)
    };
    match sent.kind {
        Kind::Start => endpoint.start(&report, GROUP, now),
        Kind::Interim => endpoint.interim(&report, GROUP, now),
        Kind::Stop => endpoint.stop(&report, GROUP, now),
    }
}

/// What is recorded: everything but the times at which we last heard something.
fn recorded(endpoint: &EndpointState) -> EndpointState {
    let mut recorded = endpoint.clone();
    recorded.last_activity = Timestamp::EPOCH;
    recorded.sessions.iter_mut().for_each(|session| session.heard = Timestamp::EPOCH);
    recorded
}

fn check(
    before: &EndpointState,
    after: &EndpointState,
    outcome: &Outcome,
) -> Result<(), TestCaseError> {
    prop_assert_eq!((outcome.before, outcome.after), (before.state, after.state));
    prop_assert_eq!(after.state == NetworkState::Active, after.open_sessions().count() > 0);

    let names: Vec<_> =
        after.open_sessions().map(|session| (session.nas().code, session.key())).collect();
    prop_assert_eq!(
        names.iter().collect::<BTreeSet<_>>().len(),
        names.len(),
        "one open session under one name"
    );

    for lease in &after.leases {
        let is_used = after
            .sessions
            .iter()
            .any(|session| session.is_live() && session.group == Some(lease.group));
        prop_assert!(!lease.phase.is_in_use() || is_used, "a lease in use, and nobody who uses it");
    }
    for freed in &outcome.freed {
        let lease = after.leases.iter().find(|lease| lease.ip == freed.ip);
        prop_assert_eq!(
            lease.map(|lease| lease.phase),
            Some(LeasePhase::Released { at: freed.at })
        );
    }
    for old in &before.sessions {
        let new = after
            .sessions
            .iter()
            .find(|new| (new.number(), new.nas()) == (old.number(), old.nas()));
        let (was, is) = (old.octets(), new.map_or((u64::MAX, u64::MAX), Session::octets));
        prop_assert!(was.0 <= is.0 && was.1 <= is.1, "a counter went down");
    }
    prop_assert!(after.version >= before.version);
    if outcome.effect == Effect::Refused {
        prop_assert_eq!(recorded(before), recorded(after));
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_happens_the_endpoint_stays_whole(multi: Option<bool>, acts in proptest::collection::vec(act(), 1..60)) {
        let mut endpoint = EndpointState::new(NetworkState::Detached);
        let restarts = Restarts::default();
        let mut now = at(100);
        for act in acts {
            now = now + Duration::from_millis(10);
            let before = endpoint.clone();
            let outcome = match act {
                Act::Send(sent) => {
                    let sent = Sent { multi: multi.unwrap_or(sent.multi), ..sent };
                    let outcome = deliver(&mut endpoint, &sent, now);
                    if outcome.effect != Effect::Opened {
                        let opened = endpoint.open_sessions().count() > before.open_sessions().count();
                        prop_assert!(!opened, "opened, and did not say so");
                    }
                    // A gateway that sends Acct-Multi-Session-Id now and then may mean either of
                    // two sessions.
                    if multi.is_some() {
                        let once = endpoint.clone();
                        deliver(&mut endpoint, &sent, now);
                        prop_assert_eq!(&once, &endpoint, "{:?} twice", sent);
                    }
                    outcome
                }
                Act::Attach => endpoint.attach(now),
                Act::Assign => endpoint.assign(),
                Act::Detach(secs) => endpoint.detach(&report("", secs), now),
                Act::CloseAll(cause) => endpoint.close_all(cause, now),
                Act::Restart(nas, secs) => {
                    restarts.note(Restart::of(&Report { reporter: reporter(nas), ..report("", secs) }, now));
                    endpoint.gateway_restart(&restarts, now)
                }
                Act::Grant => {
                    let phase = LeasePhase::Authorised { until: now + Duration::from_secs(120), authorisation: AuthorisationNumber(1) };
                    let (group, vslice, kind) = (GroupId::new(0), VsliceId::new(0), LeaseKind::Pooled);
                    if !endpoint.authorise(group, AddressKind::Ipv4, now + Duration::from_secs(120), 1) {
                        endpoint.grant(Lease { group, vslice, ip: [10, 0, 0, 2].into(), kind, phase });
                    }
                    continue;
                }
                Act::Settle(secs) => {
                    now = now + Duration::from_secs(secs);
                    let (outcome, next) = endpoint.settle(now, &limits(), &restarts);
                    prop_assert!(next.is_none_or(|next| next > now), "settled, and still something due");
                    outcome
                }
            };
            check(&before, &endpoint, &outcome)?;
        }
    }

    /// PROTOCOL 2: accounting is idempotent by content. What could not be applied when it came may
    /// count later, when the session it belongs to has been heard of; but nothing counts twice. Of
    /// one reporter, and one that sends Acct-Multi-Session-Id always or never: else a repetition
    /// can mean either of two sessions begun since.
    #[test]
    fn no_packet_counts_twice(multi: bool, packets in proptest::collection::vec((sent(), any::<proptest::sample::Index>()), 1..16)) {
        let mut endpoint = EndpointState::new(NetworkState::Detached);
        let mut now = at(100);
        let (mut seen, mut counted): (Vec<Sent>, Vec<Sent>) = (Vec::new(), Vec::new());
        for (sent, again) in packets {
            now = now + Duration::from_millis(10);
            seen.push(Sent { nas: 1, multi, ..sent });
            for packet in [&seen[seen.len() - 1], &seen[again.index(seen.len())]] {
                let before = recorded(&endpoint);
                deliver(&mut endpoint, packet, now);
                if counted.contains(packet) {
                    prop_assert_eq!(before, recorded(&endpoint), "{:?} again after {:?}", packet, &seen);
                } else if before != recorded(&endpoint) {
                    counted.push(packet.clone());
                }
            }
        }
    }

    #[test]
    fn an_ended_session_is_opened_by_newer_reports_only(packets in proptest::collection::vec(sent(), 1..40)) {
        let mut endpoint = EndpointState::new(NetworkState::Detached);
        let mut now = at(100);
        for sent in packets {
            now = now + Duration::from_millis(10);
            let named = |session: &&Session| session.nas() == reporter(sent.nas).nas && session.key() == sent.id.to_string();
            let is_open = endpoint.open_sessions().any(|session| named(&session));
            let tombstone = endpoint.sessions.iter().filter(named).any(|session| session.ended.is_some_and(|ended| at(sent.secs) <= ended.at));
            let outcome = deliver(&mut endpoint, &Sent { multi: false, ..sent.clone() }, now);
            if tombstone && !is_open && sent.kind != Kind::Stop {
                prop_assert!(matches!(outcome.effect, Effect::TombstoneHolds | Effect::Outdated));
                prop_assert!(!endpoint.open_sessions().any(|session| named(&session)));
            }
        }
    }
}
