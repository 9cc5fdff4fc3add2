//! Who has which address, as the gateways see it: nobody gets one that another has, or had a moment
//! ago.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A worker reads its clock before it takes a batch, so a release may be stamped this much before
/// it was sent.
const TOLERANCE: Duration = Duration::from_millis(300);

pub(super) struct Owners {
    hold: Duration,
    by_address: Mutex<HashMap<(&'static str, Ipv4Addr), Tenure>>,
}

struct Tenure {
    owner: usize,
    /// When its release was sent; it took effect then or later.
    released: Option<Instant>,
}

impl Owners {
    pub(super) fn new(hold: Duration) -> Self {
        Self { hold, by_address: Mutex::default() }
    }

    /// An Accept named this address.
    pub(super) fn take(&self, vslice: &'static str, ip: Ipv4Addr, owner: usize) {
        let tenure = Tenure { owner, released: None };
        let Some(former) = self.by_address.lock().unwrap().insert((vslice, ip), tenure) else {
            return;
        };
        if former.owner != owner {
            let since = former.released.map(|released| released.elapsed());
            let may = since.is_some_and(|since| since + TOLERANCE >= self.hold);
            assert!(
                may,
                "{ip} in {vslice} went from {} to {owner}, {since:?} after its release",
                former.owner
            );
        }
    }

    /// What is about to be sent gives this address back.
    pub(super) fn release(&self, vslice: &'static str, ip: Ipv4Addr, owner: usize) {
        let mut by_address = self.by_address.lock().unwrap();
        if let Some(tenure) =
            by_address.get_mut(&(vslice, ip)).filter(|tenure| tenure.owner == owner)
        {
            tenure.released.get_or_insert_with(Instant::now);
        }
    }
}
