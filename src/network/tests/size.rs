//! How many octets an endpoint costs: there may be ten million of them.

use super::*;

/// What a heap block costs beside its content.
const BLOCK: usize = 8;
/// Length and capacity, which a thin vector keeps in its block.
const THIN_HEADER: usize = 16;

#[test]
fn an_endpoint_without_session_takes_eighty_octets() {
    assert!(size_of::<EndpointState>() <= 80, "with the place of a lease");
    assert!(size_of::<Lease>() <= 40);
}

#[test]
fn an_open_session_takes_two_hundred_and_eight() {
    let whole = size_of::<Session>() + THIN_HEADER + BLOCK;
    assert!(whole <= 208, "{whole}");
}

#[test]
fn one_session_and_one_lease_have_no_spare_places() {
    let mut tracker = TestTracker::new();
    let lease = Lease {
        group: GroupId::new(0),
        vslice: VsliceId::new(0),
        ip: [10, 0, 0, 9].into(),
        kind: LeaseKind::Pooled,
        phase: LeasePhase::Authorised { until: at(120), authorisation: AuthorisationNumber(1) },
    };
    tracker.endpoint.grant(lease);
    tracker.start(&report("a", 1));
    assert_eq!(
        (tracker.endpoint.sessions.capacity(), tracker.endpoint.leases.spilled()),
        (1, false)
    );

    tracker.stop(&report("a", 2));
    let (_, next) = tracker.endpoint.settle(at(3602), &limits(), &Restarts::default());
    assert_eq!((tracker.endpoint.sessions.capacity(), tracker.endpoint.leases.len()), (0, 0));
    assert_eq!(next, Some(at(2) + limits().detach_after));
}
