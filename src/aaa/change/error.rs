//! Why nothing has changed.

use std::fmt;

use uuid::Uuid;

use crate::address::{Address, AddressBlock};
use crate::identity::{Iccid, Imsi, Moniker, Msisdn};
use crate::provisioning::{ObjectKind, ObjectName, RecordTooLarge, Refused};

/// Of a batch: everything that cannot be done, each with its place.
pub type BatchErrors = Vec<(usize, ChangeError)>;

/// Why nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeError {
    NotFound,
    /// There is an endpoint of this ICCID already.
    Exists,
    /// An earlier change of the same batch is about the same endpoint.
    Repeated {
        first: usize,
    },
    /// No SIM of the stock has this ICCID and this activation code: whether it is unknown, wrong or
    /// used is told to nobody.
    Activation,
    /// The object has another version than was expected.
    Version {
        expected: u64,
        found: u64,
    },
    /// The state does not permit the step.
    Refused(Refused),
    ImsiTaken {
        imsi: Imsi,
        owner: Iccid,
    },
    MsisdnTaken {
        msisdn: Msisdn,
        owner: Iccid,
    },
    /// The address is another endpoint's; `None`: it was until a moment ago.
    AddressTaken {
        ip: Address,
        owner: Option<Iccid>,
    },
    /// No static subnet of the endpoint's VSlice gives the address.
    AddressOutside {
        ip: Address,
    },
    /// An active or suspended endpoint needs a group that exists, in a VSlice that exists.
    NoGroup,
    /// Another object of the kind is called so.
    MonikerTaken {
        kind: ObjectKind,
        moniker: Moniker,
        uuid: Uuid,
    },
    /// What the object refers to is not there.
    NoSuch {
        kind: ObjectKind,
    },
    /// Others refer to the object.
    InUse {
        object: ObjectName,
        by: Vec<ObjectName>,
    },
    /// Endpoints are in the group, so many of them.
    HasEndpoints {
        group: Moniker,
        endpoints: u64,
    },
    /// Addresses of a subnet that would go are leased, held or configured.
    SubnetInUse {
        subnet: AddressBlock,
        addresses: u64,
    },
    TooLarge(RecordTooLarge),
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such object"),
            Self::Exists => f.write_str("there is such an endpoint already"),
            Self::Repeated { first } => {
                write!(f, "the endpoint is in the batch twice: first at place {first}")
            }
            Self::Activation => f.write_str("ICCID and activation code do not belong together"),
            Self::Version { expected, found } => write!(f, "version is {found}, not {expected}"),
            Self::Refused(refused) => write!(f, "{refused}"),
            Self::ImsiTaken { owner, .. } => write!(f, "the IMSI belongs to {owner}"),
            Self::MsisdnTaken { owner, .. } => write!(f, "the MSISDN belongs to {owner}"),
            Self::AddressTaken { ip, owner: Some(owner) } => write!(f, "{ip} belongs to {owner}"),
            Self::AddressTaken { ip, owner: None } => {
                write!(f, "{ip} belonged to another endpoint until a moment ago")
            }
            Self::AddressOutside { ip } => {
                write!(f, "{ip} is given by no static subnet of the endpoint's VSlice")
            }
            Self::NoGroup => f.write_str(
                "an endpoint that is active or in a group needs a group that exists, in a VSlice \
                 that exists",
            ),
            Self::MonikerTaken { kind, moniker, uuid } => {
                write!(f, "moniker \"{moniker}\" is already used by {kind} {uuid}")
            }
            Self::NoSuch { kind } => write!(f, "there is no such {kind}"),
            Self::InUse { object, by } => {
                write!(f, "{} {} is used by ", object.kind, object.moniker)?;
                write_names(f, by)
            }
            Self::HasEndpoints { group, endpoints } => {
                write!(f, "endpoint group {group} has {endpoints} endpoints")
            }
            Self::SubnetInUse { subnet, addresses } => {
                write!(f, "subnet {subnet} has {addresses} addresses in use")
            }
            Self::TooLarge(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ChangeError {}

/// `endpoint groups epos, tanks`; one kind after the other, at most some names of each.
fn write_names(f: &mut fmt::Formatter<'_>, names: &[ObjectName]) -> fmt::Result {
    const SHOWN: usize = 20;
    let mut separator = "";
    for kind in ObjectKind::ALL {
        let of_kind: Vec<&str> = names
            .iter()
            .filter(|name| name.kind == kind)
            .map(|name| name.moniker.as_str())
            .collect();
        match of_kind.len() {
            0 => continue,
            1 => write!(f, "{separator}{kind} {}", of_kind[0])?,
            count => {
                let shown = of_kind[..count.min(SHOWN)].join(", ");
                write!(f, "{separator}{kind}s {shown}")?;
                if count > SHOWN {
                    write!(f, " and {} more", count - SHOWN)?;
                }
            }
        }
        separator = " and ";
    }
    Ok(())
}
