//! What stands in 3GPP attributes as octets: radio access, location, time zone, network (TS 29.061
//! section 16.4.7.2).

mod location;
mod plmn;
mod rat;
mod time;

pub use location::{Area, UserLocation};
pub use plmn::Plmn;
pub use rat::RatType;
pub use time::{TimeZone, unix_seconds};
