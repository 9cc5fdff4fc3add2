//! What a policy says of one request or report, and why.

/// Why a policy refuses. The order is that of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PolicyReason {
    LocationUnknown = 1,
    CountryNotAllowed,
    OperatorNotAllowed,
    RadioNotAllowed,
    ImeiMissing,
    DeviceNotAllowed,
    ImeiMismatch,
}

/// What of a policy decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecidedBy {
    /// The entry at this place of the list.
    Entry(usize),
    /// No entry is about it: then it is allowed.
    NoEntry,
    /// What is not told counts as `when_missing` says.
    Missing,
    /// One of the flags of radio generations.
    Generation,
    ImeiLock,
}

/// What a policy says of one request or report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyVerdict {
    /// `None`: it is allowed.
    pub refused: Option<PolicyReason>,
    pub by: DecidedBy,
    /// The refusal is to steer the device to another network: it is allowed after some.
    pub is_soft: bool,
}

impl PolicyReason {
    pub const ALL: [Self; 7] = [
        Self::LocationUnknown,
        Self::CountryNotAllowed,
        Self::OperatorNotAllowed,
        Self::RadioNotAllowed,
        Self::ImeiMissing,
        Self::DeviceNotAllowed,
        Self::ImeiMismatch,
    ];

    /// The inverse of `as u8`, for records.
    #[must_use]
    pub fn from_key(key: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == key)
    }

    /// The reason as Reply-Message and metric label have it.
    #[must_use]
    pub const fn moniker(self) -> &'static str {
        match self {
            Self::LocationUnknown => "location-unknown",
            Self::CountryNotAllowed => "country-not-allowed",
            Self::OperatorNotAllowed => "operator-not-allowed",
            Self::RadioNotAllowed => "radio-not-allowed",
            Self::ImeiMissing => "imei-missing",
            Self::DeviceNotAllowed => "device-not-allowed",
            Self::ImeiMismatch => "imei-mismatch",
        }
    }
}

impl PolicyVerdict {
    pub(super) const fn allowed(by: DecidedBy) -> Self {
        Self { refused: None, by, is_soft: false }
    }

    pub(super) const fn refused(reason: PolicyReason, by: DecidedBy) -> Self {
        Self { refused: Some(reason), by, is_soft: false }
    }
}
