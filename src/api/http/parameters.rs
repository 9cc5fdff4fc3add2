//! The parameters of a query: each known, each given once.

use axum::extract::Query;
use axum::http::Uri;

use crate::api::refusal::Refusal;
use crate::time::Timestamp;

/// What stands behind the question mark. An empty value is as good as none: programs that always
/// send every parameter leave them empty.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Takes the query apart, of which these names may be parameters.
    pub(crate) fn of(uri: &Uri, known: &[&str]) -> Result<Self, Refusal> {
        let unreadable = |_| {
            Refusal::query(
                "the query is not of the form name=value&name=value, percent-encoded UTF-8",
            )
        };
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(unreadable)?;
        for (at, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(Refusal::unknown_parameter(unknown(name, known)));
            }
            if pairs.iter().take(at).any(|(other, _)| other == name) {
                return Err(Refusal::query(format!(
                    "the parameter {name} is given twice; give it once"
                )));
            }
        }
        Ok(Self(pairs))
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// A time (RFC 3339), or a day, which stands for its beginning in UTC.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        read_time(text).map(Some).ok_or_else(|| {
            Refusal::query(format!("{name} is a time in UTC, as 2026-07-04T21:15:00Z, or a day"))
        })
    }

    /// A whole number up to `most`.
    pub(crate) fn number(&self, name: &str, most: usize) -> Result<Option<usize>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| *number <= most);
        number
            .map(Some)
            .ok_or_else(|| Refusal::query(format!("{name} is a whole number from 0 to {most}")))
    }
}

/// A time in UTC (RFC 3339), or a day, which stands for its beginning.
pub(crate) fn read_time(text: &str) -> Option<Timestamp> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    humantime::parse_rfc3339(&whole).ok().map(Timestamp::from)
}

fn unknown(name: &str, known: &[&str]) -> String {
    // A name may be as long as a request: it is not repeated whole.
    let name: String = name.chars().take(40).collect();
    if known.is_empty() {
        format!("unknown parameter {name:?}; this path takes none")
    } else {
        format!("unknown parameter {name:?}; known are {}", known.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["iccid", "limit"];

    fn parameters(query: &'static str) -> Result<Parameters, Refusal> {
        Parameters::of(&format!("/sessions{query}").parse().unwrap(), KNOWN)
    }

    #[test]
    fn known_parameters_are_read_and_empty_ones_are_none() {
        let given = parameters("?iccid=89%34&limit=7").unwrap();
        assert_eq!(
            (given.text("iccid"), given.number("limit", 10).unwrap()),
            (Some("894"), Some(7))
        );
        for query in ["", "?", "?iccid=&limit="] {
            let none = parameters(query).unwrap();
            assert_eq!(
                (none.text("iccid"), none.number("limit", 10).unwrap()),
                (None, None),
                "{query}"
            );
        }
    }

    #[test]
    fn unknown_and_repeated_ones_are_refused() {
        for query in [
            "?iccd=1",
            "?ICCID=1",
            "?iccid=1&x",
            "?=1",
            "?iccid=1&iccid=1",
            "?limit=1&iccid=1&limit=",
        ] {
            assert!(parameters(query).is_err(), "{query}");
        }
        assert!(Parameters::of(&"/livez?x".parse().unwrap(), &[]).is_err());
    }

    #[test]
    fn a_number_is_a_whole_one_in_its_range() {
        for query in
            ["?limit=11", "?limit=-1", "?limit=1.5", "?limit=ten", "?limit=18446744073709551616"]
        {
            assert!(parameters(query).unwrap().number("limit", 10).is_err(), "{query}");
        }
    }
}
