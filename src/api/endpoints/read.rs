//! An endpoint after a request: the keys of a body, laid over what it was before.

use std::net::Ipv4Addr;

use crate::address::Ipv6Prefix;
use crate::api::families::body::{Fields, Given};
use crate::api::families::lookup::{after, find, reference};
use crate::api::refusal::Refusal;
use crate::identity::GroupId;
use crate::provisioning::{
    Allocation, Catalog, ConfiguredPrefixes, Endpoint, Group, Labels, ProvisioningState,
};

/// The endpoint after a request.
pub(super) fn read(
    fields: &mut Fields<'_>,
    old: &Endpoint,
    catalog: &Catalog,
) -> Result<Endpoint, Refusal> {
    let group = reference::<Group>(fields, "endpointGroup", catalog);
    let secondary = secondary_groups(fields, catalog);
    let static_ip = fields.parsed("staticIp", |text| {
        text.parse::<Ipv4Addr>().map_err(|_| "no IPv4 address; write one as 100.64.0.7".to_owned())
    });
    let prefix = |text: &str| {
        text.parse::<Ipv6Prefix>()
            .map_err(|_| "no IPv6 prefix; write one as 2001:db8:10:7::/64".to_owned())
    };
    let link = fields.parsed("staticIpv6", prefix);
    let delegated = fields.parsed("delegatedIpv6", prefix);
    let name = fields.parsed("name", short_text);
    let reference = fields.parsed("reference", short_text);
    let tags = read_tags(fields);
    let primary = after(group, old.group);
    let secondary = match secondary {
        Given::Absent => old.secondary_groups().to_vec(),
        Given::Null => Vec::new(),
        Given::Value(groups) => groups,
    };
    let secondary = secondary.into_iter().filter(|id| primary.is_some() && Some(*id) != primary);
    let mut next = old.in_groups(primary, secondary);
    next.state = state_in(old.state, old.group, primary)?;
    let keeps_address = stays(old.group, primary, catalog);
    next.static_ip = after(static_ip, old.static_ip.filter(|_| keeps_address));
    let had = if keeps_address { old.configured_prefixes() } else { ConfiguredPrefixes::default() };
    let prefixes = ConfiguredPrefixes {
        link: after(link, had.link),
        delegated: after(delegated, had.delegated),
    };
    check_lengths(prefixes, fields);
    next = next.with_configured_prefixes(prefixes);
    next.name = after(name, old.name.as_deref().map(str::to_owned))
        .filter(|name| !name.is_empty())
        .map(Into::into);
    let labels = Labels {
        reference: after(reference, old.labels().reference.as_deref().map(str::to_owned))
            .map(Into::into),
        tags: after(tags, Some(old.labels().tags.clone())).unwrap_or_default(),
    };
    if let Err(what) = labels.check() {
        fields.invalid("tags", what);
    }
    Ok(next.with_labels(labels))
}

fn check_lengths(prefixes: ConfiguredPrefixes, fields: &mut Fields<'_>) {
    let is_link = |prefix: Ipv6Prefix| prefix.prefix_len() == Ipv6Prefix::LINK;
    if prefixes.link.is_some_and(|prefix| !is_link(prefix)) {
        fields.invalid("staticIpv6", "the prefix of a connection has 64 bits");
    }
    if prefixes.delegated.is_some_and(is_link) {
        fields.invalid("delegatedIpv6", "a delegated prefix has less than 64 bits");
    }
}

/// Which state a change of the group leads to (PROTOCOL 11, platform-api 3).
fn state_in(
    state: ProvisioningState,
    before: Option<GroupId>,
    after: Option<GroupId>,
) -> Result<ProvisioningState, Refusal> {
    use ProvisioningState::{Active, Pending, Suspended, Terminated};
    match (state, after) {
        (Terminated, Some(_)) => {
            let message =
                "an endpoint that is terminated cannot be assigned to a group; reinstate it first";
            Err(Refusal::conflict("state", message.to_owned()))
        }
        (Pending, Some(_)) if before.is_none() => Ok(Active),
        (Active | Suspended, None) => Ok(Pending),
        (state, _) => Ok(state),
    }
}

/// Whether a configured address stays right: the same VSlice, and static still.
fn stays(before: Option<GroupId>, after: Option<GroupId>, catalog: &Catalog) -> bool {
    let of = |id: Option<GroupId>| id.and_then(|id| catalog.group(id));
    before == after
        || of(before).zip(of(after)).is_some_and(|(from, to)| {
            from.vslice == to.vslice && to.allocation == Allocation::Static
        })
}

fn secondary_groups(fields: &mut Fields<'_>, catalog: &Catalog) -> Given<Vec<GroupId>> {
    const KEY: &str = "secondaryEndpointGroups";
    let list = match fields.array(KEY) {
        Given::Absent => return Given::Absent,
        Given::Null => return Given::Null,
        Given::Value(list) => list,
    };
    let mut groups = Vec::new();
    for (at, group) in list.iter().enumerate() {
        match group.as_str().map(|text| find::<Group>(catalog, text)) {
            Some(Ok((id, _))) if !groups.contains(&id) => groups.push(id),
            Some(Ok(_)) => fields.invalid(&format!("{KEY}/{at}"), "the group is listed twice"),
            _ => fields.refuse(
                "reference",
                &format!("{KEY}/{at}"),
                "there is no such endpoint group",
            ),
        }
    }
    Given::Value(groups)
}

fn read_tags(fields: &mut Fields<'_>) -> Given<Vec<Box<str>>> {
    let list = match fields.array("tags") {
        Given::Absent => return Given::Absent,
        Given::Null => return Given::Null,
        Given::Value(list) => list,
    };
    let mut tags: Vec<Box<str>> = Vec::new();
    for (at, tag) in list.iter().enumerate() {
        match tag.as_str() {
            Some(tag) => tags.push(tag.into()),
            None => fields.invalid(&format!("tags/{at}"), "a tag is a text"),
        }
    }
    Given::Value(tags)
}

pub(super) fn short_text(text: &str) -> Result<String, String> {
    if text.chars().count() <= Labels::LONGEST && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("at most {} characters, no control characters", Labels::LONGEST))
    }
}
