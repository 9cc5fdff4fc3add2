//! The decision without sockets, threads or a clock: a SIM attaches, opens a session and closes it,
//! and what would be recorded is printed.
//!
//! `cargo run --example decision`

use std::error::Error;
use std::path::Path;

use attachd::aaa::{
    Aaa, AaaSettings, AccessRequest, AskedFamilies, FreedAddress, Note, Recorder, Subject, Verdict,
};
use attachd::identity::Iccid;
use attachd::network::LocationInfo;
use attachd::network::{EndpointState, Restart};
use attachd::provisioning::{CatalogObject, Endpoint, Fingerprint, Inventory, Prune, Revision};
use attachd::time::Timestamp;

/// Prints what a journal would make durable before anything is answered.
struct Printer;

impl Recorder for Printer {
    fn endpoint(&mut self, iccid: Iccid, state: &EndpointState) {
        println!("  record: {iccid} is {:?}, version {}", state.state, state.version);
    }

    fn provisioned(&mut self, _: Iccid, _: Revision, _: Option<&Endpoint>) {}

    fn object(&mut self, _: &CatalogObject) {}

    fn inventory(&mut self, _: Option<Fingerprint>) {}

    fn restart(&mut self, _: &Restart) {}

    fn noted(&mut self, note: &Note) {
        println!("  record: {note:?}");
    }

    fn freed(&mut self, freed: FreedAddress) {
        println!("  {} is free once this is durable", freed.ip);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/festival");
    let inventory = Inventory::load(&folder).map_err(|problems| problems.to_string())?;
    let now = Timestamp::from_secs(1_800_000_000);
    let aaa = Aaa::new(AaaSettings::default());
    let adopted = aaa.adopt(inventory, Prune::No, now, &mut Printer);
    let adopted = adopted.map_err(|objections| format!("{objections:?}"))?;
    println!("{} endpoints, {} SIMs in the stock", adopted.added, aaa.stock_len());

    for imsi in ["234500000000001", "999990000000000"] {
        println!("{imsi} asks for access");
        let request = AccessRequest {
            subject: Subject { imsi: Some(imsi.as_bytes()), ..Subject::default() },
            apn: Some(b"festival.iot"),
            attach_only: false,
            asked: AskedFamilies::Unsaid,
            located: &LocationInfo::default,
            proves: &|_| true,
            unusable_credentials: false,
        };
        match aaa.authorize(&request, now, &mut Printer) {
            Verdict::Accept(accept) => println!("  accepted, with the address {:?}", accept.ip()),
            Verdict::Reject(reason) => println!("  refused: {}", reason.moniker()),
        }
    }
    Ok(())
}
