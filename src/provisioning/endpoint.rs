//! One SIM as it was provisioned.

use std::fmt;
use std::net::Ipv4Addr;

use super::{Catalog, Group, ProvisioningState, RecordTooLarge};
use crate::address::{Address, Ipv6Prefix};
use crate::identity::{GroupId, Imeisv, Imsi, Msisdn};
use crate::time::Timestamp;

/// What is provisioned for one ICCID. Kept small: there may be ten million of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub state: ProvisioningState,
    /// The primary group.
    pub group: Option<GroupId>,
    pub imsi: Option<Imsi>,
    pub msisdn: Option<Msisdn>,
    /// The address configured by hand, in a static subnet of the primary group's VSlice.
    pub static_ip: Option<Ipv4Addr>,
    /// Shown to people; nothing depends on it.
    pub name: Option<Box<str>>,
    /// What few endpoints have.
    more: Option<Box<RareFields>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct RareFields {
    imsis: Vec<Imsi>,
    secondary_groups: Vec<GroupId>,
    labels: Labels,
    imei: Option<Imeisv>,
    history: EndpointHistory,
    prefixes: ConfiguredPrefixes,
}

/// Prefixes configured by hand, in static subnets of the primary group's VSlice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfiguredPrefixes {
    /// `static_ipv6`
    pub link: Option<Ipv6Prefix>,
    /// `delegated_ipv6`
    pub delegated: Option<Ipv6Prefix>,
}

/// What people call an endpoint by, besides its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    pub reference: Option<Box<str>>,
    /// In the order in which they were given.
    pub tags: Vec<Box<str>>,
}

/// What became of an endpoint by a person. No file says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointHistory {
    pub activated_at: Option<Timestamp>,
    /// Why it is in its state.
    pub state_reason: Option<Box<str>>,
}

impl Labels {
    /// The longest reference or reason, in characters.
    pub const LONGEST: usize = 100;
    pub const MOST_TAGS: usize = 20;
    /// In characters.
    pub const LONGEST_TAG: usize = 50;

    /// Whether they can be shown and written.
    ///
    /// # Errors
    /// The rule that they break, with the key that it is about.
    pub fn check(&self) -> Result<(), &'static str> {
        let is_long = |text: &str, most: usize| text.chars().count() > most;
        if let Some(reference) = &self.reference {
            if is_long(reference, Self::LONGEST) {
                return Err("reference: a reference has at most 100 characters");
            }
            if reference.chars().any(char::is_control) {
                return Err("reference: a reference has no control characters");
            }
        }
        if self.tags.len() > Self::MOST_TAGS {
            return Err("tags: an endpoint has at most 20 tags");
        }
        for tag in &self.tags {
            if tag.is_empty() || is_long(tag, Self::LONGEST_TAG) {
                return Err("tags: a tag has 1 to 50 characters");
            }
            if tag.contains(';') || tag.chars().any(char::is_control) {
                return Err("tags: a tag has neither semicolons nor control characters");
            }
        }
        Ok(())
    }
}

/// What endpoints without them show.
static NO_LABELS: Labels = Labels { reference: None, tags: Vec::new() };
static NO_HISTORY: EndpointHistory = EndpointHistory { activated_at: None, state_reason: None };

/// Why no group of an endpoint takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoGroup {
    /// The endpoint is in no group.
    Missing,
    /// None of its groups serves the APN.
    ApnNotAllowed,
}

impl Endpoint {
    /// An endpoint of which nothing but the state is known yet.
    pub const fn new(state: ProvisioningState) -> Self {
        Self {
            state,
            group: None,
            imsi: None,
            msisdn: None,
            static_ip: None,
            name: None,
            more: None,
        }
    }

    /// In this primary group.
    #[must_use]
    pub const fn in_group(mut self, group: GroupId) -> Self {
        self.group = Some(group);
        self
    }

    /// Also in this group, after those it is in already.
    #[must_use]
    pub fn also_in_group(mut self, group: GroupId) -> Self {
        self.more.get_or_insert_default().secondary_groups.push(group);
        self
    }

    /// The same endpoint in these groups.
    #[must_use]
    pub fn in_groups(
        &self,
        primary: Option<GroupId>,
        secondary: impl IntoIterator<Item = GroupId>,
    ) -> Self {
        let mut moved = Self { group: primary, ..self.clone() };
        moved.more.iter_mut().for_each(|more| more.secondary_groups.clear());
        moved = secondary.into_iter().fold(moved, Self::also_in_group);
        moved.more.take_if(|more| **more == RareFields::default());
        moved
    }

    /// Names each of its groups by another handle.
    pub fn rename_groups(&mut self, renamed: impl Fn(GroupId) -> GroupId) {
        self.group = self.group.map(&renamed);
        for group in self.more.iter_mut().flat_map(|more| &mut more.secondary_groups) {
            *group = renamed(*group);
        }
    }

    /// With this IMSI, after those it has already.
    #[must_use]
    pub fn with_imsi(mut self, imsi: Imsi) -> Self {
        match self.imsi {
            None => self.imsi = Some(imsi),
            Some(_) => self.more.get_or_insert_default().imsis.push(imsi),
        }
        self
    }

    /// Without the IMSIs and the MSISDN that it has in common with another one.
    #[must_use]
    pub fn without_identities(&self, of: &Self) -> Self {
        let mut rest = Self { imsi: None, ..self.clone() };
        rest.more.iter_mut().for_each(|more| more.imsis.clear());
        let kept = self.imsis().filter(|imsi| of.imsis().all(|taken| taken != *imsi));
        rest = kept.fold(rest, Self::with_imsi);
        rest.more.take_if(|more| **more == RareFields::default());
        rest.msisdn = rest.msisdn.filter(|msisdn| of.msisdn != Some(*msisdn));
        rest
    }

    #[must_use]
    pub const fn with_msisdn(mut self, msisdn: Msisdn) -> Self {
        self.msisdn = Some(msisdn);
        self
    }

    /// With this address, configured by hand.
    #[must_use]
    pub const fn with_static_ip(mut self, ip: Ipv4Addr) -> Self {
        self.static_ip = Some(ip);
        self
    }

    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = (!name.is_empty()).then(|| name.into());
        self
    }

    #[must_use]
    pub fn with_labels(self, labels: Labels) -> Self {
        self.with_rare(|more| more.labels = labels)
    }

    /// The device that it may be used with.
    #[must_use]
    pub fn with_imei(self, imei: Option<Imeisv>) -> Self {
        self.with_rare(|more| more.imei = imei)
    }

    #[must_use]
    pub fn with_history(self, history: EndpointHistory) -> Self {
        self.with_rare(|more| more.history = history)
    }

    /// With these prefixes, configured by hand.
    #[must_use]
    pub fn with_configured_prefixes(self, prefixes: ConfiguredPrefixes) -> Self {
        if prefixes == self.configured_prefixes() {
            return self;
        }
        self.with_rare(|more| more.prefixes = prefixes)
    }

    pub fn configured_prefixes(&self) -> ConfiguredPrefixes {
        self.more.as_ref().map_or_else(ConfiguredPrefixes::default, |more| more.prefixes)
    }

    /// Without any address configured by hand.
    #[must_use]
    pub fn without_configured_addresses(mut self) -> Self {
        self.static_ip = None;
        self.with_configured_prefixes(ConfiguredPrefixes::default())
    }

    /// Every address configured by hand.
    pub fn configured_addresses(&self) -> impl Iterator<Item = Address> + use<> {
        let ConfiguredPrefixes { link, delegated } = self.configured_prefixes();
        let prefixes = [link, delegated].into_iter().flatten().map(Address::V6);
        self.static_ip.into_iter().map(Address::V4).chain(prefixes)
    }

    /// Nothing rare takes no room.
    fn with_rare(mut self, change: impl FnOnce(&mut RareFields)) -> Self {
        change(self.more.get_or_insert_default());
        self.more.take_if(|more| **more == RareFields::default());
        self
    }

    pub fn labels(&self) -> &Labels {
        self.more.as_ref().map_or(&NO_LABELS, |more| &more.labels)
    }

    pub fn imei(&self) -> Option<Imeisv> {
        self.more.as_ref()?.imei
    }

    pub fn history(&self) -> &EndpointHistory {
        self.more.as_ref().map_or(&NO_HISTORY, |more| &more.history)
    }

    /// Whether a file has the same to say of both.
    #[must_use]
    pub fn is_written_like(&self, other: &Self) -> bool {
        let has_history = *self.history() != NO_HISTORY || *other.history() != NO_HISTORY;
        if !has_history {
            return self == other;
        }
        let written = |one: &Self| one.clone().with_history(EndpointHistory::default());
        written(self) == written(other)
    }

    /// All its IMSIs, in the order of the inventory.
    pub fn imsis(&self) -> impl Iterator<Item = Imsi> {
        let further = self.more.as_ref().map_or(&[][..], |more| &more.imsis);
        self.imsi.into_iter().chain(further.iter().copied())
    }

    /// Whether its record has a bounded size: so many IMSIs and groups nobody needs.
    ///
    /// # Errors
    /// If it is too large to be put into force.
    pub fn record_fits(&self) -> Result<(), RecordTooLarge> {
        let names = self.name.as_ref().map_or(0, |name| name.len());
        RecordTooLarge::check(
            "an endpoint",
            64 + names
                + self.rare_octets()
                + 10 * self.imsis().count()
                + 5 * self.secondary_groups().len(),
            16 << 10,
        )
    }

    fn rare_octets(&self) -> usize {
        let (labels, reason) = (self.labels(), self.history().state_reason.as_ref());
        let texts = labels.reference.iter().chain(&labels.tags).chain(reason);
        32 + texts.map(|text| 4 + text.len()).sum::<usize>()
    }

    /// All its groups, primary first.
    pub fn groups(&self) -> impl Iterator<Item = GroupId> {
        self.group.into_iter().chain(self.secondary_groups().iter().copied())
    }

    pub fn secondary_groups(&self) -> &[GroupId] {
        self.more.as_ref().map_or(&[], |more| &more.secondary_groups)
    }

    /// The group that takes a request for this APN (PROTOCOL 4, `apn-not-allowed`).
    ///
    /// | Called-Station-Id | group |
    /// |---|---|
    /// | none, or empty | the primary |
    /// | listed by some groups | the first of them, primary before secondaries |
    /// | listed by none, and some groups serve any APN | the first of those |
    /// | else | refused |
    ///
    /// A group that lists the APN wins over one that serves any: otherwise a primary group without
    /// APNs would hide all secondary ones. Whether the group is usable is the catalog's to say,
    /// afterwards.
    pub fn group_for_apn(
        &self,
        catalog: &Catalog,
        called_station_id: Option<&[u8]>,
    ) -> Result<GroupId, NoGroup> {
        let primary = self.group.ok_or(NoGroup::Missing)?;
        let Some(apn) = called_station_id.filter(|apn| !apn.is_empty()) else { return Ok(primary) };
        let first = |serves: &dyn Fn(&Group) -> bool| {
            self.groups().find(|id| catalog.group(*id).is_some_and(serves))
        };
        first(&|group| group.apns.iter().any(|own| own.is_named_by(apn)))
            .or_else(|| first(&|group| group.apns.is_empty()))
            .ok_or(NoGroup::ApnNotAllowed)
    }
}

impl fmt::Display for NoGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the endpoint is in no group",
            Self::ApnNotAllowed => "no group of the endpoint serves the APN",
        })
    }
}

impl std::error::Error for NoGroup {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Apn, Moniker};
    use crate::provisioning::{AddressFamilies, Allocation, Vslice};

    /// Three groups: two list their APNs, `any` serves every one.
    fn catalog() -> (Catalog, [GroupId; 3]) {
        let mut catalog = Catalog::default();
        let vslice = catalog.put_vslice(Vslice {
            moniker: Moniker::parse("festival").unwrap(),
            name: "Festival".into(),
            enabled: true,
            dns: Vec::new(),
            subnets: Vec::new(),
            event_map: None,
        });
        let ids = [
            ("tills", &["tills.iot", "shared.iot"][..]),
            ("lights", &["lights.iot", "shared.iot"]),
            ("any", &[]),
        ]
        .map(|(moniker, apns)| {
            catalog.put_group(Group {
                moniker: Moniker::parse(moniker).unwrap(),
                name: moniker.into(),
                vslice,
                enabled: true,
                allocation: Allocation::Static,
                apns: apns.iter().map(|apn| Apn::parse(apn).unwrap()).collect(),
                session_timeout_s: 0,
                idle_timeout_s: 0,
                interim_interval_s: 0,
                credentials: None,
                policy: None,
                event_map: None,
                families: AddressFamilies::Ipv4,
                partial_dual_stack: false,
                disconnect: true,
            })
        });
        (catalog, ids)
    }

    fn in_groups(groups: &[GroupId]) -> Endpoint {
        let endpoint = Endpoint::new(ProvisioningState::Active).in_group(groups[0]);
        groups[1..].iter().fold(endpoint, |endpoint, group| endpoint.also_in_group(*group))
    }

    #[test]
    fn the_apn_chooses_among_the_groups() {
        let (catalog, [tills, lights, any]) = catalog();
        let refused = Err(NoGroup::ApnNotAllowed);
        let table = [
            (&[tills][..], None, Ok(tills)),
            (&[tills], Some(""), Ok(tills)),
            (&[tills], Some("tills.iot"), Ok(tills)),
            (&[tills], Some("TILLS.IoT.mnc015.mcc234.gprs"), Ok(tills)),
            (&[tills], Some("lights.iot"), refused),
            (&[any], Some("lights.iot"), Ok(any)),
            (&[tills, lights], None, Ok(tills)),
            (&[tills, lights], Some("lights.iot"), Ok(lights)),
            (&[tills, lights], Some("shared.iot"), Ok(tills)),
            (&[lights, tills], Some("shared.iot"), Ok(lights)),
            (&[tills, lights], Some("else.iot"), refused),
            (&[any, lights], Some("lights.iot"), Ok(lights)),
            (&[any, lights], Some("else.iot"), Ok(any)),
            (&[tills, any], Some("else.iot"), Ok(any)),
        ];
        for (groups, apn, wanted) in table {
            let chosen = in_groups(groups).group_for_apn(&catalog, apn.map(str::as_bytes));
            assert_eq!(chosen, wanted, "{groups:?} {apn:?}");
        }
    }

    #[test]
    fn without_a_primary_group_there_is_none_to_choose() {
        let (catalog, _) = catalog();
        let endpoint = Endpoint::new(ProvisioningState::Pending);
        assert_eq!(endpoint.group_for_apn(&catalog, Some(b"tills.iot")), Err(NoGroup::Missing));
    }

    #[test]
    fn imsis_and_groups_keep_their_order() {
        let [first, second, third] = ["234500000000001", "234500000000002", "901280000000003"]
            .map(|imsi| imsi.parse().unwrap());
        let endpoint = Endpoint::new(ProvisioningState::Active)
            .with_imsi(first)
            .with_imsi(second)
            .with_imsi(third);
        assert_eq!(endpoint.imsis().collect::<Vec<_>>(), [first, second, third]);
        let ids = [2, 0, 1].map(GroupId::new);
        assert_eq!(in_groups(&ids).groups().collect::<Vec<_>>(), ids);
        assert_eq!(in_groups(&ids).secondary_groups(), &ids[1..]);
    }

    #[test]
    fn what_another_takes_is_gone() {
        let [first, second, third] = ["234500000000001", "234500000000002", "901280000000003"]
            .map(|imsi| imsi.parse().unwrap());
        let endpoint = Endpoint::new(ProvisioningState::Active)
            .with_imsi(first)
            .with_imsi(second)
            .with_msisdn("447700000001".parse().unwrap());
        let rest = endpoint.without_identities(
            &Endpoint::new(ProvisioningState::Active).with_imsi(first).with_imsi(third),
        );
        assert_eq!(
            rest,
            Endpoint::new(ProvisioningState::Active)
                .with_imsi(second)
                .with_msisdn("447700000001".parse().unwrap())
        );
        assert_eq!(
            endpoint.without_identities(&endpoint),
            Endpoint::new(ProvisioningState::Active)
        );
    }

    #[test]
    fn labels_have_limits_and_what_is_rare_takes_room_only_where_it_is() {
        let labels = |reference: &str, tags: &[&str]| Labels {
            reference: (!reference.is_empty()).then(|| reference.into()),
            tags: tags.iter().map(|tag| (*tag).into()).collect(),
        };
        assert_eq!(labels("order 7", &["north", "ä"]).check(), Ok(()));
        let long = "x".repeat(51);
        for wrong in [
            labels(&"x".repeat(101), &[]),
            labels("a\nb", &[]),
            labels("", &[""]),
            labels("", &[&long]),
            labels("", &["a;b"]),
            labels("", &["x"; 21]),
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        let bare = Endpoint::new(ProvisioningState::Active);
        let labelled = bare.clone().with_labels(labels("order 7", &["north"]));
        assert_eq!(labelled.labels().tags, ["north".into()]);
        let bare_again = labelled.with_labels(Labels::default()).with_imei(None);
        assert_eq!((bare_again.more.is_none(), bare_again == bare), (true, true));

        let activated_at = Some(Timestamp::from_secs(1_800_000_000));
        let history = EndpointHistory { activated_at, state_reason: None };
        let activated = bare.clone().with_history(history);
        assert!(activated.is_written_like(&bare) && activated != bare);
        let named = bare.clone().named("till");
        assert!(!activated.is_written_like(&named));
    }

    #[test]
    fn ten_million_endpoints_fit() {
        assert!(size_of::<Endpoint>() <= 64, "{}", size_of::<Endpoint>());
    }
}
