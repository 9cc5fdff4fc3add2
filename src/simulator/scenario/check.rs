//! What a schema cannot say: how the parts of a scenario must fit together.

use std::collections::HashSet;

use super::{FleetSpec, Identify, Load, Pattern, Repeat, Scenario};
use crate::identity::{Iccid, IdentityError, Imsi, Msisdn, Plmn};

/// The first thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioFault {
    /// As a path: `phase.1.rate`.
    pub key: String,
    pub what: String,
}

/// The farthest that a gateway's clock may be off, in seconds: Event-Timestamp has 32 bits, and the
/// time of day plus ten years still fits.
const MOST_AHEAD_S: u64 = 10 * 366 * 86_400;

/// The longest a run or a part of it may last: thirty days. The timers' ticks end at fifty.
const LONGEST_S: f64 = 30.0 * 86_400.0;

type CheckResult = Result<(), ScenarioFault>;

pub(super) fn check(scenario: &Scenario) -> Option<ScenarioFault> {
    [target, retransmission, groups, gateways, fleets, phases, habits, reboots, clocks, search]
        .iter()
        .find_map(|check| check(scenario).err())
}

fn target(scenario: &Scenario) -> CheckResult {
    let target = &scenario.target;
    demand(!target.auth.is_empty(), "target.auth", "needs at least one address")?;
    demand(!target.acct.is_empty(), "target.acct", "needs at least one address")?;
    demand(
        target.auth.len() + target.acct.len() <= 16,
        "target.auth",
        "at most 16 servers in all",
    )?;
    demand(!target.secret.is_empty(), "target.secret", "must not be empty (RFC 2865 3)")?;
    demand(
        (1..=0x00FF_FFFF).contains(&target.vendor_id),
        "target.vendor_id",
        "must be between 1 and 16777215",
    )?;
    seconds(target.status_interval_s, "target.status_interval_s")?;
    seconds(target.patience_s, "target.patience_s")?;
    seconds(scenario.settle_s, "settle_s")?;
    seconds(scenario.tolerance_ms / 1000.0, "tolerance_ms")?;
    seconds(scenario.expect.hold_s, "expect.hold_s")?;
    seconds(scenario.expect.stale_s, "expect.stale_s")?;
    demand(scenario.threads <= 256, "threads", "must be at most 256")?;
    demand(
        (1..=1_000_000).contains(&scenario.outstanding),
        "outstanding",
        "must be between 1 and 1000000",
    )
}

fn retransmission(scenario: &Scenario) -> CheckResult {
    let policy = &scenario.retransmission;
    for (name, Repeat { initial_s, ceiling_s, total_s, .. }) in
        [("access", policy.access), ("accounting", policy.accounting)]
    {
        let key = |part: &str| format!("retransmission.{name}.{part}");
        demand(initial_s > 0.0, &key("initial_s"), "must be above 0")?;
        seconds(initial_s, &key("initial_s"))?;
        seconds(ceiling_s, &key("ceiling_s"))?;
        seconds(total_s, &key("total_s"))?;
    }
    // RFC 5080 2.2.1.
    demand(
        policy.access.total_s > 0.0,
        "retransmission.access.total_s",
        "must be above 0: somebody waits for the answer",
    )?;
    demand(policy.failover_after > 0, "retransmission.failover_after", "must be at least 1")?;
    seconds(policy.dead_s, "retransmission.dead_s")
}

fn groups(scenario: &Scenario) -> CheckResult {
    let mut seen = HashSet::new();
    for (index, group) in scenario.group.iter().enumerate() {
        let key = |part: &str| format!("group.{index}.{part}");
        demand(!group.moniker.is_empty(), &key("moniker"), "must not be empty")?;
        demand(seen.insert(&group.moniker), &key("moniker"), "is there twice")?;
        demand(group.apn.len() <= 100, &key("apn"), "has at most 100 characters")?;
    }
    Ok(())
}

fn gateways(scenario: &Scenario) -> CheckResult {
    demand(!scenario.gateway.is_empty(), "gateway", "needs at least one gateway")?;
    let mut seen = HashSet::new();
    let mut count = 0;
    for (index, gateway) in scenario.gateway.iter().enumerate() {
        let key = |part: &str| format!("gateway.{index}.{part}");
        demand((1..=60).contains(&gateway.name.len()), &key("name"), "has 1 to 60 characters")?;
        demand(seen.insert(&gateway.name), &key("name"), "is there twice")?;
        demand(gateway.count > 0, &key("count"), "must be at least 1")?;
        count += usize::from(gateway.count);
        demand(count <= 4096, &key("count"), "at most 4096 gateways in all")?;
        identity(Plmn::parse(gateway.plmn.as_bytes()), &key("plmn"))?;
    }
    Ok(())
}

fn fleets(scenario: &Scenario) -> CheckResult {
    demand(!scenario.fleet.is_empty(), "fleet", "needs at least one fleet")?;
    demand(scenario.fleet.len() <= 200, "fleet", "at most 200 fleets")?;
    let mut seen = HashSet::new();
    for (index, fleet) in scenario.fleet.iter().enumerate() {
        let key = |part: &str| format!("fleet.{index}.{part}");
        demand(!fleet.name.is_empty(), &key("name"), "must not be empty")?;
        demand(seen.insert(&fleet.name), &key("name"), "is there twice")?;
        if !fleet.group.is_empty() {
            among(
                &fleet.group,
                scenario.group.iter().map(|group| group.moniker.clone()),
                &key("group"),
            )?;
        }
        demand(
            !fleet.rat.is_empty() && fleet.rat.iter().all(|(_, share)| *share > 0.0),
            &key("rat"),
            "needs pairs of a number and a share above 0",
        )?;
        let (first, most) = fleet.back_off_s;
        demand(
            first > 0.0 && first <= most && most <= LONGEST_S,
            &key("back_off_s"),
            "needs two numbers above 0, the smaller first",
        )?;
        if fleet.endpoints.is_none() {
            patterns(fleet, &key)?;
        }
    }
    Ok(())
}

/// Every endpoint of the range must get sound identities of its own.
fn patterns(fleet: &FleetSpec, key: &dyn Fn(&str) -> String) -> CheckResult {
    demand(fleet.count > 0, &key("count"), "must be at least 1, unless `endpoints` names a file")?;
    demand(fleet.iccid.is_some(), &key("iccid"), "is needed, unless `endpoints` names a file")?;
    let last = u64::from(fleet.first) + u64::from(fleet.count) - 1;
    for (name, pattern) in
        [("iccid", &fleet.iccid), ("imsi", &fleet.imsi), ("msisdn", &fleet.msisdn)]
    {
        let Some(pattern) = pattern else { continue };
        demand(last < pattern.room(), &key(name), "has too few # for this many endpoints")?;
        let digits = digits(pattern, last);
        identity(
            match name {
                "iccid" => Iccid::parse(&digits).map(drop),
                "imsi" => Imsi::parse(&digits).map(drop),
                _ => Msisdn::parse(&digits).map(drop),
            },
            &key(name),
        )?;
    }
    let (name, there) = match fleet.identify {
        Identify::Iccid => ("iccid", fleet.iccid.is_some()),
        Identify::Imsi | Identify::UserName => ("imsi", fleet.imsi.is_some()),
        Identify::Msisdn => ("msisdn", fleet.msisdn.is_some()),
    };
    demand(there, &key(name), "is needed, because `identify` says that the gateway sends it")
}

fn digits(pattern: &Pattern, number: u64) -> Vec<u8> {
    let mut digits = Vec::new();
    pattern.write(number, &mut digits);
    digits
}

fn phases(scenario: &Scenario) -> CheckResult {
    demand(
        !scenario.phase.is_empty() || scenario.search.is_some(),
        "phase",
        "needs at least one phase",
    )?;
    let mut total = 0.0;
    for (index, phase) in scenario.phase.iter().enumerate() {
        let key = |part: &str| format!("phase.{index}.{part}");
        seconds(phase.for_s, &key("for_s"))?;
        total += phase.for_s;
        demand(total <= LONGEST_S, &key("for_s"), "all phases together last at most thirty days")?;
        let load = phase.load().map_err(|(part, what)| ScenarioFault { key: key(part), what })?;
        match load {
            Load::Ramp { from, to } => {
                rate(from, &key("from"))?;
                rate(to, &key("to"))?;
            }
            Load::Steady { rate: at, .. } => rate(at, &key("rate"))?,
            Load::Storm { share: of, over_s } => {
                share(of, &key("share"))?;
                seconds(over_s, &key("over_s"))?;
                demand(over_s <= phase.for_s, &key("over_s"), "must not be above for_s")?;
            }
            Load::Closed { in_flight } => {
                demand(in_flight > 0, &key("in_flight"), "must be at least 1")?;
            }
            Load::Rest | Load::Drain => {}
        }
    }
    Ok(())
}

fn habits(scenario: &Scenario) -> CheckResult {
    let habits = &scenario.habits;
    for (name, value) in [
        ("roaming", habits.roaming),
        ("flapping", habits.flapping),
        ("lost_stops", habits.lost_stops),
        ("lost", habits.lost),
        ("duplicated", habits.duplicated),
        ("reordered", habits.reordered),
        ("late", habits.late),
        ("corrupted", habits.corrupted),
        ("wrong_secret", habits.wrong_secret),
        ("lost_replies", habits.lost_replies),
    ] {
        share(value, &format!("habits.{name}"))?;
    }
    seconds(habits.late_by_s, "habits.late_by_s")
}

fn reboots(scenario: &Scenario) -> CheckResult {
    for (index, reboot) in scenario.reboot.iter().enumerate() {
        let key = |part: &str| format!("reboot.{index}.{part}");
        among(&reboot.gateway, scenario.gateway_names(), &key("gateway"))?;
        seconds(reboot.at_s, &key("at_s"))?;
        seconds(reboot.takes_s, &key("takes_s"))?;
    }
    Ok(())
}

fn clocks(scenario: &Scenario) -> CheckResult {
    for (index, clock) in scenario.clock.iter().enumerate() {
        let key = |part: &str| format!("clock.{index}.{part}");
        among(&clock.gateway, scenario.gateway_names(), &key("gateway"))?;
        seconds(clock.at_s, &key("at_s"))?;
        demand(
            clock.ahead_s.unsigned_abs() <= MOST_AHEAD_S,
            &key("ahead_s"),
            "must be at most ten years ahead or behind",
        )?;
    }
    Ok(())
}

fn search(scenario: &Scenario) -> CheckResult {
    let Some(search) = &scenario.search else { return Ok(()) };
    rate(search.from, "search.from")?;
    rate(search.to, "search.to")?;
    demand(
        search.from > 0.0 && search.from < search.to,
        "search.from",
        "must be above 0 and below `to`",
    )?;
    demand(search.step_s >= 1.0, "search.step_s", "must be at least 1")?;
    seconds(search.step_s, "search.step_s")?;
    demand(
        (0.005..=0.5).contains(&search.precision),
        "search.precision",
        "must be between 0.005 and 0.5",
    )?;
    demand(!scenario.limits.is_empty(), "limits", "the search needs limits to keep")
}

fn demand(holds: bool, key: &str, what: &str) -> CheckResult {
    if holds { Ok(()) } else { Err(ScenarioFault { key: key.to_owned(), what: what.to_owned() }) }
}

/// A name must be one that the scenario itself has given.
fn among(name: &str, known: impl Iterator<Item = String>, key: &str) -> CheckResult {
    const SHOWN: usize = 8;
    let known: Vec<String> = known.collect();
    if known.iter().any(|other| other == name) {
        return Ok(());
    }
    let shown = known.iter().take(SHOWN).map(String::as_str).collect::<Vec<&str>>().join(", ");
    let what = match known.len() {
        0 => format!("`{name}` is not there: the scenario has none"),
        1..=SHOWN => format!("`{name}` is not one of {shown}"),
        count => format!("`{name}` is not one of {shown} and {} more", count - SHOWN),
    };
    Err(ScenarioFault { key: key.to_owned(), what })
}

fn seconds(value: f64, key: &str) -> CheckResult {
    demand((0.0..=LONGEST_S).contains(&value), key, "must be between 0 and thirty days")
}

fn rate(value: f64, key: &str) -> CheckResult {
    demand((0.0..=10_000_000.0).contains(&value), key, "must be between 0 and 10000000 a second")
}

fn share(value: f64, key: &str) -> CheckResult {
    demand((0.0..=1.0).contains(&value), key, "must be a share between 0 and 1")
}

fn identity<T>(parsed: Result<T, IdentityError>, key: &str) -> CheckResult {
    parsed
        .map(drop)
        .map_err(|error| ScenarioFault { key: key.to_owned(), what: error.rule.to_owned() })
}
