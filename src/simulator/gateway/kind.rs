//! The kinds of requests: what each is for, which server it goes to, and what answers it.

use crate::exchange::ServerRole;
use crate::wire::Code;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RequestKind {
    Attach,
    Session,
    Start,
    Interim,
    Stop,
    Detach,
    On,
    Off,
    Status,
}

impl RequestKind {
    pub const ALL: [Self; 9] = [
        Self::Attach,
        Self::Session,
        Self::Start,
        Self::Interim,
        Self::Stop,
        Self::Detach,
        Self::On,
        Self::Off,
        Self::Status,
    ];

    /// As reports name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attach => "attach",
            Self::Session => "access",
            Self::Start => "start",
            Self::Interim => "interim",
            Self::Stop => "stop",
            Self::Detach => "detach",
            Self::On => "accounting-on",
            Self::Off => "accounting-off",
            Self::Status => "status",
        }
    }

    pub const fn role(self) -> ServerRole {
        match self {
            Self::Attach | Self::Session | Self::Status => ServerRole::Access,
            Self::Start | Self::Interim | Self::Stop | Self::Detach | Self::On | Self::Off => {
                ServerRole::Accounting
            }
        }
    }

    pub(super) const fn code(self) -> Code {
        match self {
            Self::Attach | Self::Session => Code::ACCESS_REQUEST,
            Self::Start | Self::Interim | Self::Stop | Self::Detach | Self::On | Self::Off => {
                Code::ACCOUNTING_REQUEST
            }
            Self::Status => Code::STATUS_SERVER,
        }
    }

    /// RFC 5997 4.1: Status-Server is answered with either.
    pub(super) const fn is_answered_by(self, code: Code) -> bool {
        match self {
            Self::Attach | Self::Session => {
                matches!(code, Code::ACCESS_ACCEPT | Code::ACCESS_REJECT | Code::ACCESS_CHALLENGE)
            }
            Self::Start | Self::Interim | Self::Stop | Self::Detach | Self::On | Self::Off => {
                matches!(code, Code::ACCOUNTING_RESPONSE)
            }
            Self::Status => matches!(code, Code::ACCESS_ACCEPT | Code::ACCOUNTING_RESPONSE),
        }
    }
}
