//! The policy of a group in the decision: attach, moves during a session, devices, grace, reloads.

use super::super::policing::circumstances;
use super::world::iccid;
use super::*;
use crate::identity::{GroupId, Imeisv, Moniker};
use crate::network::LocationInfo;
use crate::policy::{CountryCode, ImeiLock, PolicyAction, PolicyEntry, PolicyReason, WhenMissing};
use crate::provisioning::{Group, Policy, random_uuid};

const TILLS: GroupId = GroupId::new(0);

/// Of the tills: Germany, and from there one operator less, which steers.
fn policy() -> Policy {
    let mut policy = Policy::new(Moniker::parse("home").unwrap(), "Home");
    let everywhere = PolicyEntry::everywhere;
    let germany = CountryCode::parse("DE").ok();
    policy.entries = vec![
        PolicyEntry { country: germany, ..everywhere(PolicyAction::Allow) },
        PolicyEntry { operator: "26203".parse().ok(), ..everywhere(PolicyAction::RejectSoft) },
        everywhere(PolicyAction::Reject),
    ];
    policy
}

/// The world whose tills have this policy.
fn world_with(policy: Policy) -> World {
    let mut world = World::new();
    put(&mut world, policy);
    world
}

fn put(world: &mut World, policy: Policy) {
    let put = match world.aaa.catalog().find::<Policy>("home") {
        Some((id, _)) => Put::existing(id, policy),
        None => Put::new(random_uuid([7; 16]), policy),
    };
    world.change(Mutation::PutPolicy(put), None).unwrap();
    let id = world.aaa.catalog().find::<Policy>("home").map(|(id, _)| id);
    let tills = world.aaa.catalog().group(TILLS).unwrap().clone();
    if tills.policy != id {
        let with = Group { policy: id, ..tills };
        world.change(Mutation::PutGroup(Put::existing(TILLS, with)), None).unwrap();
    }
}

fn at(plmn: &str, rat: Option<u8>, imeisv: &str) -> LocationInfo<'static> {
    LocationInfo {
        plmn: plmn.parse().ok(),
        rat,
        imeisv: Imeisv::parse(imeisv.as_bytes()).ok(),
        ..LocationInfo::default()
    }
}

fn is_accepted(answer: &Answer) -> bool {
    matches!(answer, Answer::Accept(_))
}

/// Reason, and in how many seconds the session is to be ended.
fn violation(world: &World) -> Option<(PolicyReason, u64)> {
    let told = |entry: &EndpointEntry, _: &Catalog| {
        let session = entry.state.sessions.iter().find(|session| session.is_open())?;
        let violation = session.violation()?;
        Some((violation.reason, violation.disconnect_at.secs().saturating_sub(world.now.secs())))
    };
    world.aaa.look(iccid("till"), world.now, told).unwrap()
}

/// POL-1, POL-2, POL-6.
#[test]
fn an_attach_in_a_forbidden_country_is_refused_and_takes_no_address() {
    let mut world = world_with(policy());
    world.located = at("20801", None, "");
    let refused = Answer::Reject(RejectReason::CountryNotAllowed);
    assert_eq!(world.access("till"), refused);
    assert_eq!(world.leased("static"), 0);
    world.located = at("", None, "");
    assert!(is_accepted(&world.access("till2")), "a request need not say where it is");
    world.located = at("26201", None, "");
    assert!(is_accepted(&world.access("till")));
    world.located = at("20801", None, "");
    assert!(is_accepted(&world.access("sensor")), "another group has no policy");

    put(&mut world, Policy { when_missing: WhenMissing::Reject, ..policy() });
    world.located = at("", None, "");
    assert_eq!(world.access("till"), Answer::Reject(RejectReason::LocationUnknown));
    let rejects = &world.aaa.stats().policies[0].rejects;
    let counted: Vec<_> = rejects.iter().filter(|(_, count)| *count > 0).copied().collect();
    let counted_once = [(PolicyReason::LocationUnknown, 1), (PolicyReason::CountryNotAllowed, 1)];
    assert_eq!(counted, counted_once, "the count goes on when the policy changes");
}

/// The policy comes before credentials, and after the APN.
#[test]
fn the_policy_is_asked_in_its_place() {
    let mut world = world_with(policy());
    world.located = at("20801", None, "");
    world.apn = Some("else.iot");
    assert_eq!(world.access("till"), Answer::Reject(RejectReason::ApnNotAllowed));
    world.apn = None;
    world.unusable = true;
    assert_eq!(world.access("till"), Answer::Reject(RejectReason::CountryNotAllowed));
    world.located = at("26201", None, "");
    assert_eq!(world.access("till"), Answer::Reject(RejectReason::BadCredentials));
}

/// POL-13, POL-14.
#[test]
fn a_session_that_moves_to_a_forbidden_network_has_a_grace() {
    let mut world = world_with(policy());
    world.located = at("26201", Some(6), "");
    world.access("till");
    world.start("till", "S1");
    assert_eq!(violation(&world), None);
    world.located = at("20801", Some(6), "");
    let accounted = world.interim("till", "S1");
    assert_eq!(accounted.refused, None, "it is recorded and answered");
    assert_eq!(violation(&world), Some((PolicyReason::CountryNotAllowed, 60)));
    world.later(30);
    // Nothing said of the place: it is where it was.
    world.located = at("", None, "");
    world.interim("till", "S1");
    assert_eq!(violation(&world), Some((PolicyReason::CountryNotAllowed, 30)));
    let restored = world.restored(1);
    world.aaa = restored;
    assert_eq!(violation(&world), Some((PolicyReason::CountryNotAllowed, 30)));
    world.located = at("26202", None, "");
    world.interim("till", "S1");
    assert_eq!(violation(&world), None, "it came back");
    world.located = at("26203", None, "");
    world.interim("till", "S1");
    assert_eq!(violation(&world), None, "steering is a matter of attaching");
    assert_eq!(world.sessions("till").len(), 1);
}

/// POL-16: what a policy forbids from now on is found by the walk.
#[test]
fn a_changed_policy_is_applied_to_open_sessions() {
    let mut world = world_with(policy());
    world.located = at("26201", Some(6), "");
    world.access("till");
    world.start("till", "S1");
    let records = world.records;
    world.housekeep();
    assert_eq!((violation(&world), world.records), (None, records));
    let mut stricter = policy();
    stricter.entries[0].radio = vec![crate::policy::RadioClass::NbIot];
    put(&mut world, stricter);
    world.housekeep();
    assert_eq!(violation(&world), Some((PolicyReason::RadioNotAllowed, 60)));
    let records = world.records;
    world.housekeep();
    assert_eq!(world.records, records, "once is enough");
    put(&mut world, policy());
    world.housekeep();
    assert_eq!(violation(&world), None);
}

/// POL-9, POL-10.
#[test]
fn the_first_device_is_the_only_one_until_it_is_learnt_anew() {
    let mut world = world_with(Policy { imei_lock: ImeiLock::Learn, ..policy() });
    let (own, updated, other) = ("3534900698730012", "3534900698730099", "3534900698730112");
    world.located = at("20801", None, other);
    world.access("till");
    world.located = at("26201", None, own);
    assert!(is_accepted(&world.access("till")), "what was refused was not learnt");
    world.located = at("26201", None, updated);
    assert!(is_accepted(&world.access("till")));
    world.located = at("26201", None, other);
    assert_eq!(world.access("till"), Answer::Reject(RejectReason::ImeiMismatch));
    world.aaa = world.restored(0);
    assert_eq!(world.access("till"), Answer::Reject(RejectReason::ImeiMismatch));
    // Told only in the Start.
    world.located = at("26201", None, "");
    assert!(is_accepted(&world.access("till")));
    world.located = at("26201", None, other);
    assert_eq!(world.start("till", "S1").refused, None);
    assert_eq!(violation(&world), Some((PolicyReason::ImeiMismatch, 60)));
    world.stop("till", "S1");

    let relearnt =
        |world: &mut World| world.run(|aaa, now, records| aaa.relearn(iccid("till"), now, records));
    assert_eq!((relearnt(&mut world), relearnt(&mut world)), (Some(true), Some(false)));
    assert!(is_accepted(&world.access("till")));
    world.located = at("26201", None, own);
    assert_eq!(world.access("till"), Answer::Reject(RejectReason::ImeiMismatch));
}

#[test]
fn a_session_learns_the_device_that_the_attach_did_not_tell() {
    let mut world = world_with(Policy { imei_lock: ImeiLock::Learn, ..policy() });
    world.located = at("26201", None, "");
    world.access("till");
    world.located = at("26201", None, "3534900698730012");
    world.start("till", "S1");
    world.located = at("26201", None, "3534900698730112");
    assert_eq!(world.access("till"), Answer::Reject(RejectReason::ImeiMismatch));
}

#[test]
fn steering_gives_up_after_three_refusals() {
    let mut world = world_with(policy());
    world.located = at("26203", None, "");
    let answers: Vec<bool> = (0..5).map(|_| is_accepted(&world.access("till"))).collect();
    assert_eq!(answers, [false, false, false, true, true]);
    assert_eq!(world.aaa.stats().policies[0].steered, [3, 2]);
}

/// `attachd why` says which entry decided.
#[test]
fn it_is_told_which_entry_decided() {
    let mut world = world_with(Policy { imei_lock: ImeiLock::Learn, ..policy() });
    world.located = at("26201", None, "3534900698730012");
    world.access("till");
    world.start("till", "S1");
    let told = |asked: Option<LocationInfo<'_>>| {
        let asked = asked.map(|info| circumstances(&info));
        let explanation = world.aaa.explain(iccid("till"), None, asked, world.now).unwrap();
        let step = explanation.steps.iter().find(|step| step.check == "policy").unwrap();
        (format!("{}: {}", step.found, step.message), explanation.rejected)
    };
    let locked = "it is locked to the device 35349006987300";
    let germany = format!(
        "network 26201 (DE), radio unknown, device 35349006987300: \
         policy home, entry 1 (country DE: allow); {locked}: allowed"
    );
    assert_eq!(told(None), (germany, None));
    let france = format!(
        "network 20801 (FR), radio 6, device unknown: \
         policy home, entry 3 (everywhere: reject); {locked}: country-not-allowed"
    );
    let reason = Some(RejectReason::CountryNotAllowed);
    assert_eq!(told(Some(at("20801", Some(6), ""))), (france, reason));
    let (_, reason) = told(Some(at("26201", None, "3534900698730112")));
    assert_eq!(reason, Some(RejectReason::ImeiMismatch));
}

/// What happened against a policy is told, with the entry that decided.
#[test]
fn steering_and_violations_are_told() {
    let kept_events = TypeSet::all();
    let mut world = World::with(AaaSettings { kept_events, ..AaaSettings::default() });
    put(&mut world, policy());
    world.located = at("26203", Some(6), "");
    world.access("till");
    world.located = at("26201", Some(6), "");
    world.access("till");
    world.start("till", "S1");
    world.located = at("20801", Some(6), "");
    world.interim("till", "S1");
    let told = |octets: Vec<u8>| {
        let event = crate::event::EventEnvelope::read(&octets).unwrap();
        let payload: serde_json::Value = serde_json::from_slice(event.payload).unwrap();
        let detail = &payload["detail"];
        format!("{} {} {}", event.event.moniker, detail["entry"], detail["country"])
    };
    let events: Vec<String> = std::mem::take(&mut world.events).into_iter().map(told).collect();
    let has = |event: &str| events.iter().any(|told| told == event);
    assert!(has("endpointsteered_v1 \"operator 26203: reject-soft\" \"DE\""), "{events:?}");
    assert!(has("endpointpolicyviolated_v1 \"everywhere: reject\" \"FR\""), "{events:?}");
}
