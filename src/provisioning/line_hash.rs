//! What a line or section says, as one word: the fields that are hashed, and in which form.

use std::net::IpAddr;

use ipnet::IpNet;
use smallvec::SmallVec;

use super::catalog::CatalogKind;
use super::{
    AddressFamilies, Catalog, ConfiguredPrefixes, Endpoint, EventHandler, EventMap, Group,
    LineHash, Policy, StockSim, Vslice,
};
use crate::address::{AddressKind, Ipv6Prefix};
use crate::identity::{EventMapId, Moniker, PolicyId};

impl LineHash {
    /// Of a line that says so of an endpoint.
    #[must_use]
    pub fn of_endpoint(endpoint: &Endpoint, catalog: &Catalog) -> Self {
        let moniker = |group| catalog.section_of::<Group>(group).as_bytes();
        let mut fields = Fields::default();
        fields.put(1, &[endpoint.state.key()]);
        endpoint.imsis().for_each(|imsi| fields.put(2, &imsi.raw().to_le_bytes()));
        endpoint.msisdn.iter().for_each(|msisdn| fields.put(3, &msisdn.raw().to_le_bytes()));
        endpoint.static_ip.iter().for_each(|ip| fields.put(4, &ip.octets()));
        endpoint.name.iter().for_each(|name| fields.put(5, name.as_bytes()));
        endpoint.group.iter().for_each(|group| fields.put(6, moniker(*group)));
        endpoint.secondary_groups().iter().for_each(|group| fields.put(7, moniker(*group)));
        let labels = endpoint.labels();
        labels.reference.iter().for_each(|reference| fields.put(8, reference.as_bytes()));
        labels.tags.iter().for_each(|tag| fields.put(9, tag.as_bytes()));
        endpoint.imei().iter().for_each(|imei| fields.put(10, &imei.raw().to_le_bytes()));
        let ConfiguredPrefixes { link, delegated } = endpoint.configured_prefixes();
        for (tag, prefix) in [(11, link), (12, delegated)] {
            if let Some(prefix) = prefix {
                fields.put(tag, &prefix_octets(prefix));
            }
        }
        Self::of(fields.octets())
    }

    /// Of a line that lists a SIM of the stock.
    #[must_use]
    pub fn of_sim(sim: &StockSim) -> Self {
        let mut fields = Fields::default();
        sim.imsis().for_each(|imsi| fields.put(1, &imsi.raw().to_le_bytes()));
        sim.msisdn.iter().for_each(|msisdn| fields.put(2, &msisdn.raw().to_le_bytes()));
        // Under the key: its hash alone would let short codes be guessed.
        fields.put(3, &sim.code.0);
        Self::of(fields.octets())
    }

    /// Of an object that a person has put there: what its section would have to say.
    #[must_use]
    pub fn of_entry<T: Hashed>(thing: &T, section: Option<&Moniker>, catalog: &Catalog) -> Self {
        let line = thing.line(catalog);
        let is_renamed = section.is_some_and(|section| section != thing.moniker());
        if is_renamed { line.renamed(thing.moniker().as_str()) } else { line }
    }
}

/// What a section can say something of.
pub trait Hashed: CatalogKind {
    /// The hash of a section that says so; others are named as the files name them.
    fn line(&self, catalog: &Catalog) -> LineHash;
}

impl Hashed for Vslice {
    fn line(&self, catalog: &Catalog) -> LineHash {
        let mut fields = Fields::default();
        fields.put(1, self.name.as_bytes());
        fields.put(2, &[self.enabled.into()]);
        self.dns.iter().for_each(|server| match server {
            IpAddr::V4(server) => fields.put(3, &server.octets()),
            IpAddr::V6(server) => fields.put(3, &server.octets()),
        });
        for subnet in &self.subnets {
            fields.put(4, &range_octets(subnet.block.cidr()));
            fields.put(5, subnet.allocation.moniker().as_bytes());
            subnet.exclude.iter().for_each(|excluded| fields.put(6, &range_octets(*excluded)));
            if subnet.block.kind() == AddressKind::Delegated {
                fields.put(8, &[subnet.block.prefix_len()]);
            }
        }
        self.event_map.iter().for_each(|map| fields.put(7, event_map(*map, catalog)));
        LineHash::of(fields.octets())
    }
}

impl Hashed for Group {
    fn line(&self, catalog: &Catalog) -> LineHash {
        let mut fields = Fields::default();
        fields.put(1, self.name.as_bytes());
        fields.put(2, catalog.section_of::<Vslice>(self.vslice).as_bytes());
        fields.put(3, &[self.enabled.into()]);
        fields.put(4, self.allocation.moniker().as_bytes());
        self.apns.iter().for_each(|apn| fields.put(5, apn.as_str().as_bytes()));
        for (tag, seconds) in
            [(6, self.session_timeout_s), (7, self.idle_timeout_s), (8, self.interim_interval_s)]
        {
            fields.put(tag, &seconds.to_le_bytes());
        }
        if let Some(credentials) = &self.credentials {
            fields.put(9, &[credentials.method as u8]);
            fields.put(10, credentials.username.as_bytes());
            fields.put(11, credentials.password.as_bytes());
        }
        let policy = |policy: &PolicyId| catalog.section_of::<Policy>(*policy).as_bytes();
        self.policy.iter().for_each(|named| fields.put(12, policy(named)));
        self.event_map.iter().for_each(|map| fields.put(13, event_map(*map, catalog)));
        if self.families != AddressFamilies::default() {
            fields.put(14, self.families.monikers().concat().as_bytes());
        }
        if self.partial_dual_stack {
            fields.put(15, &[]);
        }
        if !self.disconnect {
            fields.put(16, &[]);
        }
        LineHash::of(fields.octets())
    }
}

impl Hashed for Policy {
    fn line(&self, _: &Catalog) -> LineHash {
        let mut fields = Fields::default();
        fields.put(1, self.name.as_bytes());
        fields.put(2, &[self.allow_2g.into(), self.allow_3g.into(), self.allow_45g.into()]);
        fields.put(3, &[self.when_missing.number(), self.imei_lock.number()]);
        for entry in &self.entries {
            fields.put(4, &[entry.action.number(), entry.international.into()]);
            entry.operator.iter().for_each(|plmn| fields.put(5, &plmn.raw().to_le_bytes()));
            entry.country.iter().for_each(|country| fields.put(6, country.as_str().as_bytes()));
            entry.radio.iter().for_each(|class| fields.put(7, &[class.number()]));
            entry.tac.iter().for_each(|tac| fields.put(8, &tac.number().to_le_bytes()));
        }
        LineHash::of(fields.octets())
    }
}

/// Never in a file.
macro_rules! unlisted {
    ($($kind:ident),*) => {
        $(impl Hashed for $kind {
            fn line(&self, _: &Catalog) -> LineHash {
                LineHash::of(&[])
            }
        })*
    };
}

unlisted!(EventHandler, EventMap);

/// Maps are made by persons only: a section names one as it is called.
fn event_map(id: EventMapId, catalog: &Catalog) -> &[u8] {
    catalog.place::<EventMap>(id).map_or("", |map| map.thing.moniker.as_str()).as_bytes()
}

fn range_octets(range: IpNet) -> SmallVec<[u8; 17]> {
    let mut octets = match range {
        IpNet::V4(range) => SmallVec::from_slice(&range.addr().octets()),
        IpNet::V6(range) => SmallVec::from_slice(&range.addr().octets()),
    };
    octets.push(range.prefix_len());
    octets
}

fn prefix_octets(prefix: Ipv6Prefix) -> [u8; 9] {
    let mut octets = [prefix.prefix_len(); 9];
    octets[..8].copy_from_slice(&prefix.bits().to_be_bytes());
    octets
}

/// Fields one behind the other, each with its number and length, on the stack as long as they fit
/// there.
#[derive(Default)]
struct Fields(SmallVec<[u8; 256]>);

impl Fields {
    fn put(&mut self, tag: u8, octets: &[u8]) {
        self.0.push(tag);
        self.0.extend_from_slice(&(octets.len() as u32).to_le_bytes());
        self.0.extend_from_slice(octets);
    }

    fn octets(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::GroupId;
    use crate::provisioning::ProvisioningState::{Active, Pending};
    use crate::provisioning::{Labels, Origin, Revision};

    fn hash(endpoint: &Endpoint) -> LineHash {
        LineHash::of_endpoint(endpoint, &Catalog::default())
    }

    #[test]
    fn every_field_of_a_line_counts() {
        let base = || {
            Endpoint::new(Active)
                .in_group(GroupId::new(0))
                .with_imsi("234500000000001".parse().unwrap())
        };
        let others = [
            Endpoint::new(Pending)
                .in_group(GroupId::new(0))
                .with_imsi("234500000000001".parse().unwrap()),
            base().with_imsi("234500000000002".parse().unwrap()),
            base().with_msisdn("447700000001".parse().unwrap()),
            base().with_static_ip(std::net::Ipv4Addr::new(100, 64, 0, 9)),
            base().named("till 1"),
            base().also_in_group(GroupId::new(1)),
            base().in_groups(None, []),
            base().with_labels(Labels { reference: Some("north".into()), ..Labels::default() }),
            base().with_labels(Labels { tags: vec!["north".into()], ..Labels::default() }),
            base().with_imei("35349006987300".parse().ok()),
        ];
        let mut seen = vec![hash(&base()), hash(&base()).reinstated()];
        for other in &others {
            assert!(!seen.contains(&hash(other)), "{other:?}");
            seen.push(hash(other));
        }
        assert_eq!(hash(&base()), seen[0]);
    }

    #[test]
    fn an_object_differs_from_its_line_until_they_agree_again() {
        let [line, other] = [Active, Pending].map(|state| hash(&Endpoint::new(state)));
        let made = Origin::file(line);
        assert_eq!((made.line(), made.differs(), made.is_by_person()), (Some(line), false, false));
        let changed = made.changed(other);
        assert_eq!((changed.line(), changed.differs()), (Some(line), true));
        assert_eq!(changed.changed(line), made, "a person changed it back");
        assert_eq!(
            changed.adopted(other),
            Origin::file(other),
            "the line says what the person said"
        );
        let reinstated = Origin::file(line.reinstated());
        assert!(
            !reinstated.changed(line).differs(),
            "`reinstated` and `pending` are the same state"
        );
        assert_ne!(reinstated.line(), made.line(), "and yet two lines");

        assert!(
            Origin::PERSON.differs() && Origin::PERSON.is_by_person(),
            "the files do not have it"
        );
        let adopted = Origin::PERSON.adopted(line);
        assert_eq!(
            (adopted.line(), adopted.differs(), adopted.is_by_person()),
            (Some(line), false, true)
        );
        assert_eq!(Origin::from_bits(changed.bits()), changed);
    }

    #[test]
    fn versions_rise_though_the_clock_goes_back() {
        let stamp = Revision::default().next(100, Origin::PERSON);
        assert_eq!(stamp.version, 100);
        assert_eq!(stamp.next(50, Origin::PERSON).version, 101);
    }
}
