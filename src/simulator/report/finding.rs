//! One thing that the referee found, with the packets that show it.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::simulator::referee::Violation;
use crate::wire::Datagram;
use crate::wire::dictionary::Dictionary;

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Finding {
    pub rule: String,
    pub what: String,
    pub at_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    pub detail: String,
    /// Label and octets in hexadecimal.
    pub packets: Vec<(String, String)>,
}

impl Finding {
    pub(super) fn of(violation: &Violation) -> Self {
        let hex = |octets: &[u8]| {
            octets.iter().fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
        };
        Self {
            rule: violation.rule.id().to_owned(),
            what: violation.rule.what().to_owned(),
            at_s: violation.at.micros() as f64 / 1e6,
            endpoint: violation.endpoint.clone(),
            detail: violation.detail.clone(),
            packets: violation
                .packets
                .iter()
                .map(|packet| (packet.label.to_owned(), hex(&packet.octets)))
                .collect(),
        }
    }

    /// Its packets, each in hexadecimal and taken apart.
    pub fn evidence(&self, dictionary: Dictionary) -> String {
        let mut text = String::new();
        for (label, hex) in &self.packets {
            let octets: Vec<u8> = (0..hex.len() / 2)
                .filter_map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok())
                .collect();
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{label}: {hex}");
            if let Ok(datagram) = Datagram::frame(&octets) {
                let _ = write!(text, "{}", datagram.readable(dictionary));
            }
        }
        text
    }
}
