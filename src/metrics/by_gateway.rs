//! What was counted of each gateway, read back from the exposition text: so the path of a request
//! counts once, whoever asks.

use std::collections::BTreeMap;

use super::Metrics;

/// One gateway's traffic since the process began. What never happened is not among it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayFigures {
    /// By code.
    pub requests: BTreeMap<String, u64>,
    /// By code.
    pub responses: BTreeMap<String, u64>,
    /// By reason.
    pub drops: BTreeMap<String, u64>,
}

impl Metrics {
    /// By the name of the gateway.
    pub fn by_gateway(&self) -> BTreeMap<String, GatewayFigures> {
        read(&self.handle.render())
    }
}

fn read(text: &str) -> BTreeMap<String, GatewayFigures> {
    let mut all: BTreeMap<String, GatewayFigures> = BTreeMap::new();
    for line in text.lines() {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let key = match name {
            "radius_requests_total" | "radius_responses_total" => "code",
            "radius_dropped_total" => "reason",
            _ => continue,
        };
        let Some((labels, count)) = rest.rsplit_once("} ") else { continue };
        // Names of gateways are monikers: no comma and no quotation mark is in any label.
        let label = |wanted: &str| {
            let mut pairs = labels.split(',').filter_map(|label| label.split_once('='));
            let value = pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value);
            value.map(|value| value.trim_matches('"').to_owned())
        };
        let (Some(gateway), Some(what), Ok(count)) = (label("gateway"), label(key), count.parse())
        else {
            continue;
        };
        let figures = all.entry(gateway).or_default();
        let counts = match name {
            "radius_requests_total" => &mut figures.requests,
            "radius_responses_total" => &mut figures.responses,
            _ => &mut figures.drops,
        };
        if count > 0 {
            counts.insert(what, count);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_back() {
        let text = "# TYPE radius_requests_total counter\n\
            radius_requests_total{gateway=\"pgw-01\",code=\"Access-Request\"} 7\n\
            radius_dropped_total{gateway=\"pgw-01\",reason=\"malformed\"} 2\n\
            radius_dropped_total{gateway=\"pgw-01\",reason=\"journal\"} 0\n\
            radius_dropped_total{reason=\"unknown-gateway\"} 9\n\
            radius_duplicates_total{code=\"Access-Request\"} 1\n";
        let all = read(text);
        assert_eq!(all.len(), 1);
        let one = &all["pgw-01"];
        assert_eq!(one.requests, BTreeMap::from([("Access-Request".to_owned(), 7)]));
        assert_eq!(one.drops, BTreeMap::from([("malformed".to_owned(), 2)]));
        assert!(one.responses.is_empty());
    }
}
