//! What is told of decisions, and what is not: every type of event that they give rise to.

use serde_json::Value;

use super::world::iccid;
use super::*;
use crate::event::{EventEnvelope, TypeSet};
use crate::provisioning::EventType;

fn world() -> World {
    World::with(AaaSettings { kept_events: TypeSet::all(), ..AaaSettings::default() })
}

/// The events since the last time: type and payload.
fn told(world: &mut World) -> Vec<(String, Value)> {
    let read = |octets: Vec<u8>| {
        let event = EventEnvelope::read(&octets).unwrap();
        let payload: Value = serde_json::from_slice(event.payload).unwrap();
        assert_eq!(payload["eventType"], event.event.moniker);
        assert!(payload["detail"]["recordedAt"].is_string());
        let moniker = event.event.moniker.trim_end_matches("_v1").replace("endpoint", "");
        (moniker, payload)
    };
    std::mem::take(&mut world.events).into_iter().map(read).collect()
}

fn types(world: &mut World) -> Vec<String> {
    told(world).into_iter().map(|(event, _)| event).collect()
}

#[test]
fn a_session_from_attach_to_stop_is_told_once() {
    let mut world = world();
    assert_eq!(types(&mut world), [""; 0], "a file that brings a fleet is no news of each of it");
    world.access("till").accepted();
    let [(event, payload)] = &told(&mut world)[..] else { panic!("one") };
    assert_eq!(event, "authenticated");
    assert_eq!(payload["detail"]["ip"], "100.64.0.2");
    assert_eq!(payload["detail"]["iccid"], iccid("till").to_string());

    world.start("till", "S1");
    let [(event, payload)] = &told(&mut world)[..] else { panic!("one") };
    assert_eq!(event, "datasessioncreated");
    assert_eq!(payload["detail"]["acctSessionId"], "S1");
    assert_eq!(payload["detail"]["networkState"]["moniker"], "active");
    assert_eq!(payload["detail"]["startLost"], Value::Null);

    world.start("till", "S1");
    assert_eq!(types(&mut world), [""; 0], "a repetition is no news");
    world.later(60);
    world.octets = Some(1000);
    world.interim("till", "S1");
    assert_eq!(types(&mut world), ["datasessionextended"]);
    world.later(60);
    world.stop("till", "S1");
    let [(event, payload)] = &told(&mut world)[..] else { panic!("one") };
    assert_eq!(event, "datasessiondeleted");
    assert_eq!(payload["detail"]["inputOctets"], 1000);
    assert_eq!(payload["detail"]["closeCause"], "stop");
    assert_eq!(payload["detail"]["seconds"], 120);
    world.stop("till", "S1");
    assert_eq!(types(&mut world), [""; 0]);
}

#[test]
fn a_lost_start_is_said_so_and_silence_is_inferred() {
    let mut world = world();
    world.access("till").accepted();
    world.interim("till", "S1");
    let events = told(&mut world);
    let (event, payload) = events.last().unwrap();
    assert_eq!(
        (event.as_str(), &payload["detail"]["startLost"]),
        ("datasessioncreated", &true.into())
    );
    world.later(86_400 * 3);
    world.housekeep();
    let events = told(&mut world);
    let [(first, purged), (second, deleted)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((first.as_str(), &purged["detail"]["inferred"]), ("purged", &true.into()));
    assert_eq!(second, "datasessiondeleted");
    assert_eq!(deleted["detail"]["inferred"], true);
    assert_eq!(deleted["detail"]["closeCause"], "stale");
}

#[test]
fn a_suspension_tells_of_the_change_and_of_the_departure() {
    let mut world = world();
    world.access("till").accepted();
    world.start("till", "S1");
    told(&mut world);
    let mutation = EndpointMutation {
        reason: Some("stolen".into()),
        ..EndpointMutation::new(iccid("till"), EndpointStep::Step(Transition::Suspend))
    };
    world.change(Mutation::Endpoint(mutation), None).unwrap();
    let events = told(&mut world);
    let found: Vec<&str> = events.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(found, ["provisioningstatussetsuspended", "forciblydetached"]);
    assert_eq!(events[0].1["detail"]["from"], "active");
    assert_eq!(events[0].1["detail"]["by"], "api");
    assert_eq!(events[1].1["detail"]["reason"], "stolen");

    assert_eq!(world.network_state("till"), Detached);
    assert!(matches!(world.access("till"), Answer::Reject(_)));
    world.access("till");
    world.later(60);
    world.access("till");
    let events = told(&mut world);
    let repeats: Vec<_> = events.iter().map(|(_, event)| &event["detail"]["repeats"]).collect();
    assert_eq!(repeats, [0, 1], "one a minute, and how many there were besides");
    assert_eq!(events[0].1["detail"]["reason"], "endpoint-suspended");

    world.stop("till", "S1");
    let events = told(&mut world);
    let deleted = events.iter().find(|(event, _)| event == "datasessiondeleted").unwrap();
    assert_eq!(deleted.1["detail"]["closeCause"], "barred", "when its gateway has ended it");
}

#[test]
fn only_what_is_wanted_is_told() {
    let one = TypeSet::of(EventType::parse("endpointdatasessiondeleted_v1").unwrap());
    let mut world = World::with(AaaSettings { kept_events: one, ..AaaSettings::default() });
    world.access("till").accepted();
    world.start("till", "S1");
    world.stop("till", "S1");
    assert_eq!(types(&mut world), ["datasessiondeleted"]);
    let mut world = World::new();
    world.access("till").accepted();
    world.start("till", "S1");
    assert_eq!(types(&mut world), [""; 0]);
}
