//! A SIM of the stock, a record each.

use super::octets::{FieldReader, FieldWriter, list, read_list, read_origin, write_origin};
use crate::identity::{Imsi, Msisdn};
use crate::provisioning::{CodeDigest, Revision, StockEntry, StockSim};

mod has {
    pub(super) const MSISDN: u64 = 1 << 0;
    /// It was activated.
    pub(super) const ACTIVATED: u64 = 1 << 1;
}

/// A SIM that was removed is an empty record.
pub(super) fn write(writer: &mut FieldWriter<'_>, entry: Option<&StockEntry>) {
    let Some(StockEntry { sim, stamp }) = entry else { return };
    let msisdn = if sim.msisdn.is_some() { has::MSISDN } else { 0 };
    writer.number(msisdn | if sim.is_activated { has::ACTIVATED } else { 0 });
    writer.raw(&sim.code.0);
    write_origin(writer, stamp.origin);
    list(writer, || sim.imsis(), |writer, imsi| writer.number(imsi.raw()));
    sim.msisdn.into_iter().for_each(|msisdn| writer.number(msisdn.raw()));
}

/// The outer `None`: the octets make no sense.
#[expect(clippy::option_option, reason = "a removed SIM is not the same as an unreadable one")]
pub(super) fn read(reader: &mut FieldReader<'_>, version: u64) -> Option<Option<StockEntry>> {
    if reader.0.is_empty() {
        return Some(None);
    }
    let bits = reader.number()?;
    let code = CodeDigest(reader.array()?);
    let origin = read_origin(reader)?;
    let imsis = read_list(reader, |reader| Imsi::from_raw(reader.number()?))?;
    let (imsi, further) = match &imsis[..] {
        [] => (None, &[][..]),
        [first, further @ ..] => (Some(*first), further),
    };
    let msisdn = match bits & has::MSISDN {
        0 => None,
        _ => Some(Msisdn::from_raw(reader.number()?)?),
    };
    let sim = StockSim {
        imsi,
        further_imsis: further.into(),
        msisdn,
        code,
        is_activated: bits & has::ACTIVATED != 0,
    };
    Some(Some(StockEntry { sim, stamp: Revision { version, origin } }))
}
