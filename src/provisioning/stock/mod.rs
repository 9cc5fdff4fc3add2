//! SIMs that exist and are no endpoints yet: who activates one has to know its activation code
//! (PROTOCOL 12).

mod code;
mod table;

pub use code::{ActivationCode, CodeDigest, CodeHash, StockKey};
pub use table::StockTable;

use super::Revision;
use crate::identity::{Iccid, Imsi, Msisdn};

/// A SIM of the stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockSim {
    pub imsi: Option<Imsi>,
    /// Further IMSIs of the same SIM.
    pub further_imsis: Box<[Imsi]>,
    pub msisdn: Option<Msisdn>,
    pub code: CodeDigest,
    /// Whether it was activated: then its code is void, and it is listed no more. It stays known,
    /// so that the same line of a file does not bring it back.
    pub is_activated: bool,
}

/// A SIM as a file or a request lists it: its code is not yet under the server's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSim {
    pub iccid: Iccid,
    pub imsis: Vec<Imsi>,
    pub msisdn: Option<Msisdn>,
    pub code: CodeHash,
}

/// A SIM of the stock, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockEntry {
    pub sim: StockSim,
    pub stamp: Revision,
}

impl StockSim {
    pub fn new(listed: &ListedSim, key: &StockKey) -> Self {
        let (imsi, further) = match &listed.imsis[..] {
            [] => (None, &[][..]),
            [first, further @ ..] => (Some(*first), further),
        };
        Self {
            imsi,
            further_imsis: further.into(),
            msisdn: listed.msisdn,
            code: key.digest(listed.iccid, &listed.code),
            is_activated: false,
        }
    }

    pub fn imsis(&self) -> impl Iterator<Item = Imsi> {
        self.imsi.into_iter().chain(self.further_imsis.iter().copied())
    }
}
