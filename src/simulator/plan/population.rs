//! All endpoints of a run, by number: their identities, what is expected of the server for them,
//! and how they behave.

use std::io::Read;
use std::net::Ipv4Addr;
use std::path::Path;

use super::PlannedGroup;
use crate::identity::{Iccid, Imsi, Msisdn};
use crate::simulator::device::Rules;
use crate::simulator::random::RandomStream;
use crate::simulator::scenario::{self, Identify, Loaded, Pattern, Scenario, ScenarioError, State};

/// The endpoints of all fleets, numbered through. Identities that follow a pattern take no memory.
#[derive(Debug)]
pub struct Population {
    fleets: Vec<Fleet>,
    len: u32,
}

#[derive(Debug)]
struct Fleet {
    first: u32,
    rules: Rules,
    identify: Identify,
    password: Option<String>,
    rat: Vec<(u8, f64)>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Patterns {
        first: u64,
        iccid: Option<Pattern>,
        imsi: Option<Pattern>,
        msisdn: Option<Pattern>,
        state: State,
        group: Option<u16>,
    },
    Rows(Vec<Row>),
}

/// A line of endpoints.csv.
#[derive(Debug)]
struct Row {
    iccid: Iccid,
    imsi: Option<Imsi>,
    msisdn: Option<Msisdn>,
    state: State,
    group: Option<u16>,
    static_ip: Option<Ipv4Addr>,
}

/// One endpoint, looked up.
#[derive(Clone, Copy, Debug)]
pub struct SimEndpoint<'a> {
    pub number: u32,
    pub rules: &'a Rules,
    pub identify: Identify,
    pub password: Option<&'a str>,
    pub rat: u8,
    pub state: State,
    /// By number, if the scenario knows it.
    pub group: Option<u16>,
    /// The address it was provisioned with.
    pub static_ip: Option<Ipv4Addr>,
}

/// The identities of an endpoint as digits. Reused, so that nothing is allocated for a packet.
#[derive(Clone, Debug, Default)]
pub struct IdentityBuffer {
    pub iccid: Vec<u8>,
    pub imsi: Vec<u8>,
    pub msisdn: Vec<u8>,
}

impl Population {
    pub(super) fn read(loaded: &Loaded, groups: &[PlannedGroup]) -> Result<Self, ScenarioError> {
        let mut fleets: Vec<Fleet> = Vec::new();
        let mut len: u32 = 0;
        for fleet in &loaded.scenario.fleet {
            let source = source(loaded, fleet, groups)?;
            let count = match &source {
                Source::Patterns { .. } => fleet.count,
                Source::Rows(rows) => rows.len() as u32,
            };
            fleets.push(Fleet {
                first: len,
                rules: rules(&loaded.scenario, fleet),
                identify: fleet.identify,
                password: fleet.password.clone(),
                rat: fleet.rat.clone(),
                source,
            });
            let too_many = || {
                ScenarioError::new(
                    "scenario".to_owned(),
                    "fleet",
                    "has more than 100 million endpoints".to_owned(),
                )
            };
            len = len.checked_add(count).filter(|len| *len <= 100_000_000).ok_or_else(too_many)?;
        }
        Ok(Self { fleets, len })
    }

    pub const fn len(&self) -> u32 {
        self.len
    }

    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Looks up endpoint `number`; its identities are written into `names`.
    pub fn endpoint(&self, number: u32, seed: u64, names: &mut IdentityBuffer) -> SimEndpoint<'_> {
        let fleet = &self.fleets
            [self.fleets.partition_point(|fleet| fleet.first <= number).saturating_sub(1)];
        let place = number - fleet.first;
        let (state, group, static_ip) = match &fleet.source {
            Source::Patterns { first, iccid, imsi, msisdn, state, group } => {
                for (pattern, name) in [
                    (iccid, &mut names.iccid),
                    (imsi, &mut names.imsi),
                    (msisdn, &mut names.msisdn),
                ] {
                    match pattern {
                        Some(pattern) => pattern.write(first + u64::from(place), name),
                        None => name.clear(),
                    }
                }
                (*state, *group, None)
            }
            Source::Rows(rows) => {
                let row = &rows[place as usize];
                names.set(row);
                (row.state, row.group, row.static_ip)
            }
        };
        let rat = choose(&fleet.rat, RandomStream::stream(seed, u64::from(number), 0).unit());
        let password = fleet.password.as_deref();
        SimEndpoint {
            number,
            rules: &fleet.rules,
            identify: fleet.identify,
            password,
            rat,
            state,
            group,
            static_ip,
        }
    }

    /// Without its identities.
    pub fn rules(&self, number: u32) -> &Rules {
        &self.fleets[self.fleets.partition_point(|fleet| fleet.first <= number).saturating_sub(1)]
            .rules
    }
}

impl IdentityBuffer {
    fn set(&mut self, row: &Row) {
        use std::io::Write;
        for name in [&mut self.iccid, &mut self.imsi, &mut self.msisdn] {
            name.clear();
        }
        // Writing into a Vec cannot fail.
        let _ = write!(self.iccid, "{}", row.iccid);
        if let Some(imsi) = row.imsi {
            let _ = write!(self.imsi, "{imsi}");
        }
        if let Some(msisdn) = row.msisdn {
            let _ = write!(self.msisdn, "{msisdn}");
        }
    }

    /// As people call the endpoint.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.iccid).into_owned()
    }
}

fn rules(scenario: &Scenario, fleet: &scenario::FleetSpec) -> Rules {
    Rules {
        network_events: fleet.network_events,
        interim_s: fleet.interim_s,
        session_s: fleet.session_s,
        idle_s: fleet.idle_s,
        octets_s: fleet.octets_s,
        back_off_s: fleet.back_off_s,
        roaming: scenario.habits.roaming,
        flapping: scenario.habits.flapping,
        lost_stops: scenario.habits.lost_stops,
    }
}

fn choose(shares: &[(u8, f64)], lot: f64) -> u8 {
    let total: f64 = shares.iter().map(|(_, share)| share).sum();
    let mut rest = lot * total;
    for (value, share) in shares {
        rest -= share;
        if rest < 0.0 {
            return *value;
        }
    }
    shares.last().map_or(0, |(value, _)| *value)
}

fn source(
    loaded: &Loaded,
    fleet: &scenario::FleetSpec,
    groups: &[PlannedGroup],
) -> Result<Source, ScenarioError> {
    let group = |moniker: &str| {
        groups.iter().position(|group| group.moniker == moniker).map(|index| index as u16)
    };
    let Some(path) = &fleet.endpoints else {
        return Ok(Source::Patterns {
            first: u64::from(fleet.first),
            iccid: fleet.iccid.clone(),
            imsi: fleet.imsi.clone(),
            msisdn: fleet.msisdn.clone(),
            state: fleet.state,
            group: group(&fleet.group),
        });
    };
    let path = loaded.folder.join(path);
    let mut rows = read_rows(&path, &fleet.group, &group)?;
    if fleet.count > 0 {
        rows.truncate(fleet.count as usize);
    }
    if rows.is_empty() {
        let what = if fleet.group.is_empty() {
            "has no endpoints".to_owned()
        } else {
            format!("has no endpoints in group `{}`", fleet.group)
        };
        return Err(ScenarioError::new(path.display().to_string(), "", what));
    }
    Ok(Source::Rows(rows))
}

/// The rows of an inventory's endpoints.csv, which the server has checked; here only what a gateway
/// needs of them.
fn read_rows(
    path: &Path,
    only: &str,
    group: &dyn Fn(&str) -> Option<u16>,
) -> Result<Vec<Row>, ScenarioError> {
    let fault = |line: Option<u64>, key: &str, what: String| {
        let place = line.map_or_else(
            || path.display().to_string(),
            |line| format!("{}:{line}", path.display()),
        );
        ScenarioError::new(place, key, what)
    };
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| fault(None, "", error.to_string()))?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::GzDecoder::new(file).read_to_end(&mut text)
    } else {
        std::io::BufReader::new(file).read_to_end(&mut text)
    }
    .map_err(|error| fault(None, "", error.to_string()))?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_slice());
    let header =
        reader.byte_headers().map_err(|error| fault(Some(1), "", error.to_string()))?.clone();
    let column = |name: &str| header.iter().position(|column| column == name.as_bytes());
    let columns = ["iccid", "imsi", "msisdn", "state", "group", "static_ip"].map(column);
    let mut rows = Vec::new();
    for record in reader.byte_records() {
        let record = record.map_err(|error| {
            fault(error.position().map(csv::Position::line), "", error.to_string())
        })?;
        let line = record.position().map(csv::Position::line);
        let [iccid, imsi, msisdn, state, moniker, static_ip] =
            columns.map(|column| column.and_then(|column| record.get(column)).unwrap_or_default());
        let moniker = String::from_utf8_lossy(moniker);
        if !only.is_empty() && moniker != only {
            continue;
        }
        rows.push(Row {
            iccid: Iccid::parse(iccid).map_err(|error| fault(line, "iccid", error.to_string()))?,
            // Of several IMSIs the first is as good as any.
            imsi: imsi.split(|octet| *octet == b';').next().and_then(|imsi| Imsi::parse(imsi).ok()),
            msisdn: Msisdn::parse(msisdn).ok(),
            state: state_of(state, !moniker.is_empty())
                .ok_or_else(|| fault(line, "state", STATES.to_owned()))?,
            group: group(&moniker),
            static_ip: std::str::from_utf8(static_ip).ok().and_then(|ip| ip.parse().ok()),
        });
    }
    Ok(rows)
}

const STATES: &str = "is one of active, pending, suspended, terminated, reinstated, or empty";

/// As the server reads the column: without a state, an endpoint is active if it is in a group.
fn state_of(text: &[u8], in_group: bool) -> Option<State> {
    Some(match text {
        b"" if in_group => State::Active,
        b"active" => State::Active,
        b"" | b"pending" | b"reinstated" => State::Pending,
        b"suspended" => State::Suspended,
        b"terminated" => State::Terminated,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::plan::RunPlan;
    use crate::simulator::scenario::{SettingOverride, load};
    use crate::time::Timestamp;

    #[test]
    fn patterns_and_files_number_their_endpoints_through() {
        let plan = RunPlan::new(&load("smoke", &[]).unwrap(), Timestamp::EPOCH, 1).unwrap();
        assert_eq!(plan.population.len(), 120 + 8 + 40 + 16 + 4);
        let mut names = IdentityBuffer::default();
        let suspended = plan.population.endpoint(120, 1, &mut names);
        assert_eq!(
            (suspended.state, names.shown().as_str()),
            (State::Suspended, "8944500000000001210")
        );
        assert_eq!(names.imsi, b"234500000000121");
    }

    #[test]
    fn a_file_of_endpoints_is_read_as_the_server_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let csv = "name,iccid,imsi,msisdn,state,group,static_ip\n\
                   till,8944500000000000014,234500000000001;234500000000099,447700000001,,epos,100.64.1.1\n\
                   spare,8944500000000000022,,,,,\n\
                   gone,8944500000000000030,234500000000003,,terminated,epos,\n";
        std::fs::write(folder.path().join("endpoints.csv"), csv).unwrap();
        let scenario =
            "extends = \"smoke\"\n[[fleet]]\nname = \"all\"\nendpoints = \"endpoints.csv\"\n";
        let path = folder.path().join("own.toml");
        std::fs::write(&path, scenario).unwrap();
        let plan = |changes: &[SettingOverride]| {
            RunPlan::new(&load(path.to_str().unwrap(), changes).unwrap(), Timestamp::EPOCH, 1)
        };
        let all = plan(&[]).unwrap();
        let mut names = IdentityBuffer::default();
        let till = all.population.endpoint(0, 1, &mut names);
        assert_eq!(
            (till.state, till.group, till.static_ip),
            (State::Active, Some(0), Some(Ipv4Addr::new(100, 64, 1, 1)))
        );
        assert_eq!(
            (names.imsi.as_slice(), names.msisdn.as_slice()),
            (&b"234500000000001"[..], &b"447700000001"[..])
        );
        assert_eq!(all.population.endpoint(1, 1, &mut names).state, State::Pending);
        assert_eq!(all.population.endpoint(2, 1, &mut names).state, State::Terminated);

        let none = plan(&[SettingOverride { key: "fleet.0.group".into(), value: "gates".into() }])
            .unwrap_err();
        assert!(none.to_string().contains("no endpoints in group `gates`"), "{none}");
        std::fs::write(
            folder.path().join("endpoints.csv"),
            "iccid,state\n8944500000000000014,sleepy\n",
        )
        .unwrap();
        let wrong = plan(&[]).unwrap_err().to_string();
        assert!(wrong.contains("endpoints.csv:2: state: is one of active"), "{wrong}");
    }
}
