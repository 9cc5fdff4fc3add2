//! One endpoint as a scenario tells it: its network state, its sessions and its leases, each a line
//! of words.

use attachd::aaa::EndpointEntry;
use attachd::network::{LeaseKind, LeasePhase, Session, Status};
use attachd::provisioning::Catalog;
use attachd::radius::gateways::Gateways;
use attachd::time::Timestamp;
use attachd::wire::tgpp::RatType;

use super::script::Line;
use super::{below, in_hex};

/// A session or lease: what it is called, and everything that can be said of it.
pub struct Told {
    /// `session 0001 open`, `lease 100.64.0.16 in-use`.
    pub title: String,
    pub said: Vec<(&'static str, String)>,
}

pub fn tell(
    entry: &EndpointEntry,
    catalog: &Catalog,
    gateways: &Gateways,
    start: Timestamp,
) -> (Vec<Told>, Vec<Told>) {
    let sessions = entry
        .state
        .sessions
        .iter()
        .map(|session| tell_session(session, catalog, gateways, start))
        .collect();
    (sessions, tell_leases(entry, catalog))
}

/// Holds what is told against the lines of a scenario. Sessions and leases are compared if any is
/// named, and then all.
pub fn compare(told: &[Told], kind: &str, lines: &[&Line]) -> Result<(), (usize, String)> {
    let shown = || {
        if told.is_empty() {
            below(["none".to_owned()])
        } else {
            below(told.iter().map(Told::show))
        }
    };
    let Some(first) = lines.first() else { return Ok(()) };
    if first.text == format!("no {kind}") {
        return if told.is_empty() {
            Ok(())
        } else {
            Err((first.number, format!("there is one:{}", shown())))
        };
    }
    if told.len() != lines.len() {
        return Err((
            first.number,
            format!("{} {kind}s instead of {}:{}", told.len(), lines.len(), shown()),
        ));
    }
    for (told, line) in told.iter().zip(lines) {
        told.check(&line.text).map_err(|what| (line.number, format!("{what}:{}", shown())))?;
    }
    Ok(())
}

impl Told {
    fn check(&self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let titles = words.iter().position(|word| word.contains('=')).unwrap_or(words.len());
        let (title, pairs) = words.split_at(titles);
        if title.join(" ") != self.title {
            return Err(format!("`{}` expected, `{}` found", title.join(" "), self.title));
        }
        for pair in pairs {
            let (key, value) = pair.split_once('=').ok_or(format!("`{pair}` has no ="))?;
            let said = self
                .said
                .iter()
                .find(|(known, _)| *known == key)
                .ok_or(format!("nothing can be said of `{key}`"))?;
            if said.1 != value {
                return Err(format!("{key} is `{}`, not `{value}`", said.1));
            }
        }
        Ok(())
    }

    fn show(&self) -> String {
        let said: Vec<String> =
            self.said.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!("{} {}", self.title, said.join(" "))
    }
}

fn tell_session(
    session: &Session,
    catalog: &Catalog,
    gateways: &Gateways,
    start: Timestamp,
) -> Told {
    let live = if session.is_open() { "open" } else { "ending" };
    let standing = session.ended.as_ref().map_or(live, |ended| ended.cause.name());
    let (input, output) = session.octets();
    let place = session.location_info();
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let bearer = |open: bool| {
        let of = session.bearers().filter(|bearer| (bearer.status != Status::Stop) == open);
        of.map(|bearer| bearer.acct_session_id.as_str()).collect::<Vec<_>>().join(",")
    };
    let offset =
        |time: Timestamp| format!("{:+}", time.secs().cast_signed() - start.secs().cast_signed());
    Told {
        title: format!("session {} {standing}", session.key()),
        said: vec![
            ("gateway", or_none(gateways.name(session.gateway).map(str::to_owned))),
            ("apn", or_none(session.apn().map(str::to_owned))),
            (
                "group",
                or_none(
                    session
                        .group
                        .and_then(|id| catalog.group(id))
                        .map(|group| group.moniker.to_string()),
                ),
            ),
            ("ip", or_none(session.ip.map(|ip| ip.to_string()))),
            ("conflict", session.conflict.to_string()),
            ("input", input.to_string()),
            ("output", output.to_string()),
            ("started", offset(session.started)),
            ("updated", offset(session.updated().shown)),
            ("ending", or_none(session.ending().map(|ending| ending.cause.name().to_owned()))),
            ("ended", or_none(session.ended.as_ref().map(|ended| offset(ended.at)))),
            (
                "cause",
                or_none(session.ended.as_ref().map(|ended| ended.terminate_cause.to_string())),
            ),
            ("bearers", or_none(Some(bearer(true)).filter(|open| !open.is_empty()))),
            ("stopped", or_none(Some(bearer(false)).filter(|stopped| !stopped.is_empty()))),
            (
                "rat",
                or_none(
                    place.rat.map(|rat| {
                        RatType(rat).name().map_or_else(|| rat.to_string(), str::to_owned)
                    }),
                ),
            ),
            ("plmn", or_none(place.plmn.map(|plmn| plmn.to_string()))),
            ("location", or_none(place.location.map(in_hex))),
            ("imeisv", or_none(place.imeisv.map(|imeisv| imeisv.to_string()))),
            (
                "timezone",
                or_none(
                    place.time_zone.map(|[quarters, saving]| format!("{quarters:02x}{saving:02x}")),
                ),
            ),
            ("node", or_none(place.serving_node.map(|node| node.to_string()))),
            ("charging", or_none(place.charging_id.map(|id| id.to_string()))),
            (
                "violation",
                or_none(session.violation().map(|known| known.reason.moniker().to_owned())),
            ),
            ("disconnect", or_none(session.violation().map(|known| offset(known.disconnect_at)))),
            ("authorised", session.authorisation.is_some().to_string()),
        ],
    }
}

fn tell_leases(entry: &EndpointEntry, catalog: &Catalog) -> Vec<Told> {
    let of = |lease: &attachd::network::Lease| {
        let phase = match lease.phase {
            LeasePhase::Authorised { .. } => "authorised",
            LeasePhase::InUse | LeasePhase::Reauthorised { .. } => "in-use",
            LeasePhase::Kept => "kept",
            LeasePhase::Released { .. } => "released",
        };
        let kind = match lease.kind {
            LeaseKind::Static => "static",
            LeaseKind::Pooled => "pooled",
        };
        Told {
            title: format!("lease {} {phase}", lease.ip),
            said: vec![
                ("kind", kind.to_owned()),
                (
                    "vslice",
                    catalog
                        .vslice(lease.vslice)
                        .map_or("-".to_owned(), |vslice| vslice.moniker.to_string()),
                ),
                (
                    "group",
                    catalog
                        .group(lease.group)
                        .map_or("-".to_owned(), |group| group.moniker.to_string()),
                ),
            ],
        }
    };
    entry.state.own_leases().map(of).collect()
}
