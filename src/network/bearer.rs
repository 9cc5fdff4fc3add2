//! One Acct-Session-Id and what its gateway counted under it.

use compact_str::CompactString;

use super::counters::{self, CounterReading};
use super::event_time::{self, Stamp};
use super::{Counters, Report, text};
use crate::time::Timestamp;

/// A bearer of a session; most sessions have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// Acct-Session-Id, each octet kept as the character of that number.
    pub acct_session_id: CompactString,
    /// From the device.
    pub input: u64,
    /// To the device.
    pub output: u64,
    /// Of the newest report, as the gateway stamped it.
    pub event_time: Timestamp,
    /// Of the newest report.
    pub status: Status,
}

/// The kinds of report about a bearer, in the order they have within one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Status {
    Start = 1,
    Interim,
    Stop,
}

impl Status {
    /// The inverse of `as u8`.
    #[must_use]
    pub fn from_key(key: u8) -> Option<Self> {
        [Self::Start, Self::Interim, Self::Stop].into_iter().find(|status| *status as u8 == key)
    }
}

/// What the counters of a report did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BearerCounters {
    pub(super) wrapped: bool,
    pub(super) lowered: bool,
}

impl Bearer {
    /// A bearer whose first report is `report`.
    pub(super) fn first_seen(report: &Report<'_>, status: Status) -> Self {
        let mut bearer = Self {
            acct_session_id: text::keep(report.acct_session_id),
            input: 0,
            output: 0,
            event_time: report.event_time.order,
            status,
        };
        bearer.count(&report.counters, status);
        bearer
    }

    /// Acct-Session-Id as it came.
    #[must_use]
    pub fn acct_session_id_octets(&self) -> Vec<u8> {
        text::octets(&self.acct_session_id)
    }

    /// No Stop was seen. Of an ended session it says nothing.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.status != Status::Stop
    }

    pub(super) fn is_named_by(&self, acct_session_id: &[u8]) -> bool {
        text::spells(&self.acct_session_id, acct_session_id)
    }

    /// Whether a report is news. Gateways stamp in whole seconds, so within one instant the kind of
    /// report decides; a repetition is no news.
    pub(super) fn is_newer(&self, report: &Report<'_>, status: Status, now: Timestamp) -> bool {
        if self.is_of_clock_ahead(report, now) {
            return true;
        }
        let event_time = report.event_time.order;
        match status {
            // There is one Start. Repeated, it can seem a little newer: Acct-Delay-Time counts
            // whole seconds.
            Status::Start => event_time.secs() > self.event_time.secs(),
            Status::Interim | Status::Stop => (event_time, status) > (self.event_time, self.status),
        }
    }

    /// Whether what was stamped until now came from a clock that was ahead, and has been set right
    /// since.
    fn is_of_clock_ahead(&self, report: &Report<'_>, now: Timestamp) -> bool {
        report.stamp != Stamp::Ahead && event_time::is_ahead(self.event_time, now)
    }

    /// Takes a report that is news.
    pub(super) fn advance(&mut self, report: &Report<'_>, status: Status) -> BearerCounters {
        self.event_time = report.event_time.order;
        self.status = status;
        self.count(&report.counters, status)
    }

    /// Takes the counters of a report that is no news. Returns whether one rose.
    pub(super) fn raise(&mut self, sent: &Counters) -> bool {
        let input = counters::raise(&mut self.input, sent.input, sent.input_gigawords);
        let output = counters::raise(&mut self.output, sent.output, sent.output_gigawords);
        input || output
    }

    /// Whether nothing but what was counted here is told.
    pub(super) fn has_counted(&self, sent: &Counters) -> bool {
        let mut again = self.clone();
        !again.raise(sent) && again.count(sent, Status::Stop) == BearerCounters::default()
    }

    /// Whether counters go on from what was counted here: none is lower.
    pub(super) fn is_continued_by(&self, sent: &Counters) -> bool {
        let mut ahead = self.clone();
        ahead.count(sent, Status::Interim) == BearerCounters::default()
    }

    fn count(&mut self, sent: &Counters, status: Status) -> BearerCounters {
        // Counters belong in Stop and Interim-Update (RFC 2866 5.3, RFC 5080 2.3.1). In a Start
        // some gateways send zeros.
        if status == Status::Start {
            return BearerCounters::default();
        }
        let input = counters::advance(&mut self.input, sent.input, sent.input_gigawords);
        let output = counters::advance(&mut self.output, sent.output, sent.output_gigawords);
        let either = |reading| input == reading || output == reading;
        BearerCounters {
            wrapped: either(CounterReading::Wrapped),
            lowered: either(CounterReading::Lowered),
        }
    }
}
