//! The end of a run: what the server shows of an endpoint, compared with what the endpoint knows of
//! itself.

use std::net::Ipv4Addr;

use super::Rule;
use crate::simulator::device::Usage;

/// How an endpoint stands, in the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedState {
    /// One session lives; all that was reported of it is acknowledged.
    Live { acct_session_id: String, address: Ipv4Addr, reported: Usage },
    /// None does, and the server knows.
    Away,
    /// It has not attached in this run, something is not answered yet, or ended without a word:
    /// nothing can be said.
    Unclear,
}

/// A session as the server shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownSession {
    pub acct_session_id: String,
    pub address: Option<Ipv4Addr>,
    pub ended: bool,
    pub input: u64,
    pub output: u64,
}

/// Which rules the server's view of one endpoint breaks, and how.
pub fn compare(expected: &ExpectedState, seen: &[ShownSession]) -> Vec<(Rule, String)> {
    let mut live = seen.iter().filter(|session| !session.ended);
    match expected {
        ExpectedState::Unclear => Vec::new(),
        ExpectedState::Away => {
            live.map(|session| (Rule::SessionLingers, session.acct_session_id.clone())).collect()
        }
        ExpectedState::Live { acct_session_id, address, reported } => {
            let is_it = |session: &&ShownSession| {
                session.acct_session_id.eq_ignore_ascii_case(acct_session_id)
            };
            let mut broken: Vec<(Rule, String)> = live
                .clone()
                .filter(|session| !is_it(session))
                .map(|session| {
                    (
                        Rule::SessionLingers,
                        format!("{} beside {acct_session_id}", session.acct_session_id),
                    )
                })
                .collect();
            match live.find(is_it) {
                None => broken.push((Rule::SessionLost, acct_session_id.clone())),
                Some(session) => broken.extend(differences(session, *address, *reported)),
            }
            broken
        }
    }
}

fn differences(session: &ShownSession, address: Ipv4Addr, reported: Usage) -> Vec<(Rule, String)> {
    let mut broken = Vec::new();
    if session.address != Some(address) {
        let shown =
            session.address.map_or_else(|| "none".to_owned(), |address| address.to_string());
        broken.push((Rule::SessionAddress, format!("{shown} instead of {address}")));
    }
    if session.input < reported.input || session.output < reported.output {
        let detail = format!(
            "{} in, {} out; reported {} in, {} out",
            session.input, session.output, reported.input, reported.output
        );
        broken.push((Rule::CountersLowered, detail));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(id: &str, ended: bool) -> ShownSession {
        ShownSession {
            acct_session_id: id.into(),
            address: Some(Ipv4Addr::new(10, 0, 0, 1)),
            ended,
            input: 100,
            output: 400,
        }
    }

    #[test]
    fn the_servers_view_must_be_the_models() {
        let reported = Usage { input: 100, output: 400, seconds: 9 };
        let live = ExpectedState::Live {
            acct_session_id: "A1".into(),
            address: Ipv4Addr::new(10, 0, 0, 1),
            reported,
        };
        let rules = |expected: &ExpectedState, seen: &[ShownSession]| {
            compare(expected, seen).into_iter().map(|(rule, _)| rule).collect::<Vec<_>>()
        };
        let right = seen("A1", false);
        assert_eq!(rules(&live, &[right.clone(), seen("A0", true)]), []);
        assert_eq!(rules(&live, &[]), [Rule::SessionLost]);
        assert_eq!(rules(&live, &[seen("A1", true)]), [Rule::SessionLost]);
        assert_eq!(rules(&live, &[right.clone(), seen("A0", false)]), [Rule::SessionLingers]);
        assert_eq!(
            rules(&live, &[ShownSession { output: 399, ..right.clone() }]),
            [Rule::CountersLowered]
        );
        assert_eq!(
            rules(&live, &[ShownSession { address: None, ..right.clone() }]),
            [Rule::SessionAddress]
        );
        assert_eq!(rules(&ExpectedState::Away, &[seen("A1", true)]), []);
        assert_eq!(
            rules(&ExpectedState::Away, std::slice::from_ref(&right)),
            [Rule::SessionLingers]
        );
        assert_eq!(rules(&ExpectedState::Unclear, &[right]), []);
    }
}
