//! Real threads: adoption, changes, traffic, the background walk and snapshots at once, and an
//! audit at the end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::world::RecordingRecorder;
use super::*;
use crate::identity::{GroupId, Moniker};
use crate::network::LocationInfo;
use crate::provisioning::{
    AddressFamilies, Allocation, Group, Inventory, ProvisioningState, Prune, Subnet, Vslice,
};
use crate::time::Timestamp;

const FLEET: u64 = 300;
const ROUNDS: u64 = 60;

fn iccid(number: u64) -> Iccid {
    Iccid::parse(format!("8944{number:015}").as_bytes()).unwrap()
}

fn imsi(number: u64) -> Imsi {
    format!("23450{number:010}").parse().unwrap()
}

/// Names and some configured addresses go round by one place with every version of the files.
fn files(version: u64) -> Inventory {
    let mut catalog = Catalog::default();
    let subnet = |cidr: &str, allocation| Subnet {
        block: cidr.parse().unwrap(),
        allocation,
        exclude: Vec::new(),
    };
    let vslice = catalog.put_vslice(Vslice {
        moniker: Moniker::parse("a").unwrap(),
        name: "a".into(),
        enabled: true,
        dns: Vec::new(),
        subnets: vec![
            subnet("100.64.0.0/22", Allocation::Static),
            subnet("100.65.0.0/24", Allocation::Pooled),
        ],
        event_map: None,
    });
    for (moniker, allocation) in [("fixed", Allocation::Static), ("moving", Allocation::Pooled)] {
        catalog.put_group(Group {
            moniker: Moniker::parse(moniker).unwrap(),
            name: moniker.into(),
            vslice,
            enabled: true,
            allocation,
            apns: Vec::new(),
            session_timeout_s: 0,
            idle_timeout_s: 0,
            interim_interval_s: 600,
            credentials: None,
            policy: None,
            event_map: None,
            families: AddressFamilies::Ipv4,
            partial_dual_stack: false,
            disconnect: true,
        });
    }
    let endpoint = |number: u64| {
        let name = (number + version) % FLEET;
        let endpoint = Endpoint::new(ProvisioningState::Active)
            .in_group(GroupId::new(usize::from(number.is_multiple_of(3))))
            .with_imsi(imsi(name));
        let configured = Ipv4Addr::from(0x6440_0200 + (number + version) as u32 % 256);
        (
            iccid(number),
            if number % 3 == 1 && number < 200 {
                endpoint.with_static_ip(configured)
            } else {
                endpoint
            },
        )
    };
    Inventory { catalog, endpoints: (0..FLEET).map(endpoint).collect(), ..Inventory::default() }
}

/// One thread's share: whatever it records is durable at once.
fn act<T>(aaa: &Aaa, step: impl FnOnce(&mut RecordingRecorder<'_>) -> T) -> T {
    let (mut journal, mut records, mut notes, mut freed) = (Vec::new(), 0, Vec::new(), Vec::new());
    let done = step(&mut RecordingRecorder {
        journal: &mut journal,
        records: &mut records,
        notes: &mut notes,
        freed: &mut freed,
        events: &mut Vec::new(),
    });
    aaa.free(&freed);
    done
}

fn attach(aaa: &Aaa, number: u64, now: Timestamp) {
    let name = iccid(number).to_string();
    let request = AccessRequest {
        subject: Subject { iccid: Some(name.as_bytes()), ..Subject::default() },
        apn: None,
        attach_only: false,
        located: &LocationInfo::default,
        asked: AskedFamilies::Unsaid,
        proves: &|_| true,
        unusable_credentials: false,
    };
    act(aaa, |tape| _ = aaa.authorize(&request, now, tape));
}

#[test]
fn whoever_changes_at_once_every_name_and_address_has_one_owner() {
    let aaa = Aaa::new(AaaSettings { hold_time: Duration::ZERO, ..AaaSettings::default() });
    let now = Timestamp::from_secs(1_800_000_000);
    let is_over = AtomicBool::new(false);
    act(&aaa, |tape| _ = aaa.adopt(files(0), Prune::No, now, tape).unwrap());
    let each_until_the_end = |mut step: Box<dyn FnMut(u64) + Send>| {
        let is_over = &is_over;
        move || {
            let mut txn = 0;
            while !is_over.load(Ordering::Relaxed) {
                step(txn);
                txn += 1;
            }
        }
    };
    thread::scope(|scope| {
        let aaa = &aaa;
        for worker in 0..2 {
            scope.spawn(each_until_the_end(Box::new(move |txn| {
                attach(aaa, (txn * 7 + worker * 31) % FLEET, now);
            })));
        }
        scope.spawn(each_until_the_end(Box::new(move |txn| {
            let transition = if txn % 2 == 0 { Transition::Suspend } else { Transition::Resume };
            let mutation = Mutation::Endpoint(EndpointMutation::new(
                iccid(txn / 2 % FLEET),
                EndpointStep::Step(transition),
            ));
            act(aaa, |tape| _ = aaa.change(mutation, None, now, tape));
        })));
        scope.spawn(each_until_the_end(Box::new(move |_| {
            let mut walk = aaa.walk();
            act(aaa, |tape| while !aaa.housekeep(&mut walk, 100, now, tape) {});
            let mut snapshot = aaa.walk();
            assert_eq!(aaa.provisioned(now).catalog.vslices().count(), 1);
            while !aaa.observe(&mut snapshot, 100, |_, _| {}) {}
        })));
        for version in 1..=ROUNDS {
            act(aaa, |tape| _ = aaa.adopt(files(version), Prune::No, now, tape));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    act(&aaa, |tape| _ = aaa.adopt(files(ROUNDS + 1), Prune::No, now, tape));
    audit(&aaa);
}

fn audit(aaa: &Aaa) {
    let (mut owners, mut names, mut entries) = (HashMap::new(), HashMap::new(), Vec::new());
    aaa.for_each(|iccid, entry| entries.push((iccid, entry.clone())));
    assert_eq!(entries.len() as u64, FLEET);
    for (iccid, entry) in &entries {
        for lease in entry.state.leases.iter().filter(|lease| !lease.phase.is_released()) {
            let former = owners.insert((lease.vslice, lease.ip), *iccid);
            assert!(former.is_none_or(|former| former == *iccid), "{} has two owners", lease.ip);
            assert_eq!(
                aaa.plan().owner(lease.vslice, lease.ip),
                Some(*iccid),
                "the pool knows the owner of {}",
                lease.ip
            );
        }
        for imsi in entry.endpoint.imsis() {
            assert_eq!(names.insert(imsi, *iccid), None, "an IMSI has two owners");
            assert_eq!(aaa.tracker.resolve_imsi(imsi), Some(*iccid));
        }
    }
    let mut configured = HashMap::new();
    for (iccid, entry) in &entries {
        for (vslice, ip) in aaa.plan().configured(&entry.endpoint) {
            assert_eq!(configured.insert((vslice, ip), *iccid), None, "{ip} is configured twice");
            assert!(aaa.plan().owner(vslice, ip).is_some(), "{ip} is set aside");
        }
    }
}
