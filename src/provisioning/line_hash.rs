//! What a line or section says, as one word: the fields that are hashed, and in which form.

use std::net::Ipv4Addr;

use smallvec::SmallVec;

use super::{Catalog, Endpoint, Group, LineHash, Vslice};

impl LineHash {
    /// Of a line that says so of an endpoint.
    #[must_use]
    pub fn of_endpoint(endpoint: &Endpoint, catalog: &Catalog) -> Self {
        let moniker = |group| {
            catalog.group_place(group).map_or("", |place| place.thing.moniker.as_str()).as_bytes()
        };
        let mut fields = Fields::default();
        fields.put(1, &[endpoint.state.key()]);
        endpoint.imsis().for_each(|imsi| fields.put(2, &imsi.raw().to_le_bytes()));
        endpoint.msisdn.iter().for_each(|msisdn| fields.put(3, &msisdn.raw().to_le_bytes()));
        endpoint.static_ip.iter().for_each(|ip| fields.put(4, &ip.octets()));
        endpoint.name.iter().for_each(|name| fields.put(5, name.as_bytes()));
        endpoint.group.iter().for_each(|group| fields.put(6, moniker(*group)));
        endpoint.secondary_groups().iter().for_each(|group| fields.put(7, moniker(*group)));
        Self::of(fields.octets())
    }

    /// Of a section that says so of a VSlice.
    #[must_use]
    pub fn of_vslice(vslice: &Vslice) -> Self {
        let mut fields = Fields::default();
        fields.put(1, vslice.name.as_bytes());
        fields.put(2, &[vslice.enabled.into()]);
        vslice.dns.iter().for_each(|server| fields.put(3, &server.octets()));
        for subnet in &vslice.subnets {
            let range = |range: ipnet::Ipv4Net| -> [u8; 5] {
                range_octets(range.addr(), range.prefix_len())
            };
            fields.put(4, &range(subnet.cidr));
            fields.put(5, subnet.allocation.moniker().as_bytes());
            subnet.exclude.iter().for_each(|excluded| fields.put(6, &range(*excluded)));
        }
        Self::of(fields.octets())
    }

    /// Of a section that says so of a group; `vslice` is the moniker of its VSlice.
    #[must_use]
    pub fn of_group(group: &Group, vslice: &str) -> Self {
        let mut fields = Fields::default();
        fields.put(1, group.name.as_bytes());
        fields.put(2, vslice.as_bytes());
        fields.put(3, &[group.enabled.into()]);
        fields.put(4, group.allocation.moniker().as_bytes());
        group.apns.iter().for_each(|apn| fields.put(5, apn.as_str().as_bytes()));
        for (tag, seconds) in
            [(6, group.session_timeout_s), (7, group.idle_timeout_s), (8, group.interim_interval_s)]
        {
            fields.put(tag, &seconds.to_le_bytes());
        }
        if let Some(credentials) = &group.credentials {
            fields.put(9, &[credentials.method as u8]);
            fields.put(10, credentials.username.as_bytes());
            fields.put(11, credentials.password.as_bytes());
        }
        Self::of(fields.octets())
    }
}

fn range_octets(ip: Ipv4Addr, prefix: u8) -> [u8; 5] {
    let [a, b, c, d] = ip.octets();
    [a, b, c, d, prefix]
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
    use crate::provisioning::{Origin, Revision};

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
            base().with_static_ip(Ipv4Addr::new(100, 64, 0, 9)),
            base().named("till 1"),
            base().also_in_group(GroupId::new(1)),
            base().in_groups(None, []),
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
