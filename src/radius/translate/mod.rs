//! From attributes to the words of the domain: one pass over a verified packet, nothing copied.
//!
//! A value of the wrong size for its type is passed over, and spoils nothing else (RFC 6929 2.8).
//! Of attributes that may occur once the first counts.

#[cfg(test)]
mod tests;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use subtle::ConstantTimeEq as _;

use crate::aaa::{AccountingKind, AccountingRequest, AskedFamilies, Class, Subject};
use crate::address::Ipv6Prefix;
use crate::identity::{GatewayId, Imeisv, Plmn};
use crate::network::{
    Counters, Families, LocationInfo, Nas, OddTimes, Report, Reporter, is_sane_session_time,
    read_event_time,
};
use crate::policy::serving_network;
use crate::provisioning::{CredentialMethod, Credentials};
use crate::time::Timestamp;
use crate::wire::number::value::{acct_status_type, allocate_ip_type, network_event, pdp_type};
use crate::wire::number::{self, attachd, tgpp};
use crate::wire::{Datagram, Secret, Value, chap_matches, pap_matches};

/// What the attributes of one request say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields<'a> {
    pub subject: Subject<'a>,
    /// Called-Station-Id.
    pub apn: Option<&'a [u8]>,
    pub network_event: Option<u32>,
    user_password: Option<&'a [u8]>,
    chap_password: Option<&'a [u8]>,
    has_eap: bool,
    status: Option<u32>,
    acct_session_id: &'a [u8],
    acct_multi_session_id: Option<&'a [u8]>,
    event_timestamp: Option<u32>,
    delay_s: Option<u32>,
    nas_ip: Option<u32>,
    nas_ipv6: Option<Ipv6Addr>,
    nas_identifier: Option<&'a [u8]>,
    ip: Option<Ipv4Addr>,
    prefix: Option<Ipv6Prefix>,
    delegated: Option<Ipv6Prefix>,
    framed_ipv6: Option<Ipv6Addr>,
    pdp_type: Option<u32>,
    allocate_ip_type: Option<u32>,
    counters: Counters,
    location_info: LocationInfo<'a>,
    twan: Option<&'a [u8]>,
    session_time_s: Option<u32>,
    terminate_cause: Option<u32>,
    last_bearer: bool,
    authorisation: Option<u64>,
}

impl<'a> Fields<'a> {
    /// Reads a packet; `vendor` is the number of our own dictionary.
    pub fn gather(datagram: &Datagram<'a>, vendor: u32) -> Self {
        let mut fields = Self::default();
        for value in datagram.values() {
            match value.key.vendor {
                0 => fields.standard(value),
                tgpp::VENDOR => fields.tgpp(value),
                own if own == vendor => fields.own(value),
                _ => {}
            }
        }
        fields
    }

    fn standard(&mut self, value: Value<'a>) {
        let octets = value.octets;
        match value.key.number {
            number::USER_NAME => text(&mut self.subject.user_name, octets),
            number::USER_PASSWORD => first(&mut self.user_password, Some(octets)),
            number::CHAP_PASSWORD => first(&mut self.chap_password, Some(octets)),
            number::NAS_IP_ADDRESS => first(&mut self.nas_ip, integer(octets)),
            number::FRAMED_IP_ADDRESS => first(&mut self.ip, address(octets)),
            number::CLASS => first(&mut self.authorisation, Class::authorisation(octets)),
            number::CALLED_STATION_ID => text(&mut self.apn, octets),
            number::CALLING_STATION_ID => text(&mut self.subject.calling_station_id, octets),
            number::NAS_IDENTIFIER => text(&mut self.nas_identifier, octets),
            number::ACCT_STATUS_TYPE => first(&mut self.status, integer(octets)),
            number::ACCT_DELAY_TIME => first(&mut self.delay_s, integer(octets)),
            number::ACCT_INPUT_OCTETS => first(&mut self.counters.input, integer(octets)),
            number::ACCT_OUTPUT_OCTETS => first(&mut self.counters.output, integer(octets)),
            number::ACCT_SESSION_ID if self.acct_session_id.is_empty() => {
                self.acct_session_id = octets;
            }
            number::ACCT_SESSION_TIME => first(&mut self.session_time_s, integer(octets)),
            number::ACCT_TERMINATE_CAUSE => first(&mut self.terminate_cause, integer(octets)),
            number::ACCT_MULTI_SESSION_ID => text(&mut self.acct_multi_session_id, octets),
            number::ACCT_INPUT_GIGAWORDS => {
                first(&mut self.counters.input_gigawords, integer(octets));
            }
            number::ACCT_OUTPUT_GIGAWORDS => {
                first(&mut self.counters.output_gigawords, integer(octets));
            }
            number::EVENT_TIMESTAMP => first(&mut self.event_timestamp, integer(octets)),
            number::EAP_MESSAGE => self.has_eap = true,
            number::NAS_IPV6_ADDRESS => first(&mut self.nas_ipv6, ipv6(octets)),
            number::FRAMED_IPV6_PREFIX => first(&mut self.prefix, link_prefix(octets)),
            number::FRAMED_IPV6_ADDRESS => first(&mut self.framed_ipv6, ipv6(octets)),
            number::DELEGATED_IPV6_PREFIX => {
                first(&mut self.delegated, delegated_prefix(octets));
            }
            _ => {}
        }
    }

    fn tgpp(&mut self, value: Value<'a>) {
        let octets = value.octets;
        match value.key.number {
            tgpp::IMSI => text(&mut self.subject.imsi, octets),
            tgpp::CHARGING_ID => first(&mut self.location_info.charging_id, integer(octets)),
            tgpp::PDP_TYPE => first(&mut self.pdp_type, integer(octets)),
            tgpp::ALLOCATE_IP_TYPE => {
                first(&mut self.allocate_ip_type, octet(octets).map(u32::from));
            }
            tgpp::SGSN_ADDRESS => first(
                &mut self.location_info.serving_node,
                integer(octets).map(|ip| Ipv4Addr::from(ip).into()),
            ),
            // erGW sends a zero for "not the last".
            tgpp::SESSION_STOP_INDICATOR => {
                self.last_bearer |= octets.iter().any(|octet| *octet != 0);
            }
            tgpp::SGSN_IPV6_ADDRESS => {
                first(&mut self.location_info.serving_node, ipv6(octets).map(IpAddr::V6));
            }
            tgpp::SGSN_MCC_MNC => first(&mut self.location_info.plmn, Plmn::parse(octets).ok()),
            tgpp::IMEISV => first(&mut self.location_info.imeisv, Imeisv::parse(octets).ok()),
            tgpp::RAT_TYPE => first(&mut self.location_info.rat, octet(octets)),
            tgpp::USER_LOCATION_INFO => text(&mut self.location_info.location, octets),
            tgpp::TWAN_IDENTIFIER => text(&mut self.twan, octets),
            tgpp::MS_TIME_ZONE => first(&mut self.location_info.time_zone, octets.try_into().ok()),
            _ => {}
        }
    }

    fn own(&mut self, value: Value<'a>) {
        match value.key.number {
            attachd::ICCID => text(&mut self.subject.iccid, value.octets),
            attachd::NETWORK_EVENT => first(&mut self.network_event, integer(value.octets)),
            _ => {}
        }
    }

    /// Whether this Access-Request asks for permission to attach only.
    pub fn is_attach_only(&self) -> bool {
        self.network_event == Some(network_event::ATTACH)
    }

    /// EAP, which we do not speak, or two kinds of password at once, which RFC 2865 4.1 forbids.
    pub fn has_unusable_credentials(&self) -> bool {
        self.has_eap || (self.user_password.is_some() && self.chap_password.is_some())
    }

    /// Whether the packet's password proves what a group demands.
    pub fn prove(&self, wanted: &Credentials, datagram: &Datagram<'_>, secret: &Secret) -> bool {
        let password = wanted.password.as_bytes();
        let is_right = match wanted.method {
            CredentialMethod::Pap => self.user_password.is_some_and(|hidden| {
                pap_matches(hidden, secret, datagram.authenticator(), password)
            }),
            CredentialMethod::Chap => {
                self.chap_password.and_then(<[u8]>::split_first).is_some_and(|(ident, response)| {
                    chap_matches(*ident, response, password, datagram.chap_challenge())
                })
            }
        };
        is_right && self.subject.user_name == Some(wanted.username.as_bytes())
    }

    /// The same in RADIUS/1.1, where a User-Password is not hidden and nothing stands in for a
    /// missing CHAP-Challenge (RFC 9765 5.1).
    pub fn prove_in_clear(&self, wanted: &Credentials, datagram: &Datagram<'_>) -> bool {
        let password = wanted.password.as_bytes();
        let is_right = match wanted.method {
            CredentialMethod::Pap => self.user_password.is_some_and(|given| same(given, password)),
            CredentialMethod::Chap => {
                datagram.contains(number::CHAP_CHALLENGE)
                    && self.chap_password.and_then(<[u8]>::split_first).is_some_and(
                        |(ident, response)| {
                            chap_matches(*ident, response, password, datagram.chap_challenge())
                        },
                    )
            }
        };
        is_right && self.subject.user_name == Some(wanted.username.as_bytes())
    }

    /// The accounting request that these attributes make, and which of its times cannot be. `range`
    /// has the addresses of the gateway.
    pub fn accounting(
        &self,
        gateway: GatewayId,
        range: IpNet,
        source: IpAddr,
        arrival: Timestamp,
    ) -> (AccountingRequest<'a>, OddTimes) {
        let (event_time, stamp, mut odd) =
            read_event_time(self.event_timestamp, self.delay_s, arrival);
        let session_time_s = self.session_time_s.filter(|seconds| is_sane_session_time(*seconds));
        odd.session_time = session_time_s != self.session_time_s;
        let nas =
            Nas::new(source, self.nas_ip.map(Ipv4Addr::from), self.nas_ipv6, self.nas_identifier);
        let report = Report {
            reporter: Reporter { gateway, range, nas },
            iccid: None,
            acct_session_id: self.acct_session_id,
            acct_multi_session_id: self.acct_multi_session_id,
            apn: self.apn,
            event_time,
            stamp,
            ip: self.ip,
            prefix: self.link(),
            delegated: self.delegated,
            families: self.families(),
            is_without_ip: matches!(self.pdp_type, Some(pdp_type::NON_IP..=pdp_type::ETHERNET)),
            absent_is_released: false,
            counters: self.counters,
            location_info: self.location_info(),
            session_time_s,
            terminate_cause: self.terminate_cause,
            last_bearer: self.last_bearer,
            authorisation: self.authorisation,
        };
        (AccountingRequest { kind: self.kind(), subject: self.subject, gateway, report }, odd)
    }

    /// 3GPP-PDP-Type if it is there (TS 29.061 16.4.7.2: 0 is IPv4, 2 IPv6, 3 both), else what the
    /// addresses tell.
    fn families(&self) -> Families {
        match self.pdp_type {
            Some(pdp_type::IPV4) => Families { ipv4: true, ipv6: false },
            Some(pdp_type::IPV6) => Families { ipv4: false, ipv6: true },
            Some(pdp_type::IPV4V6) => Families { ipv4: true, ipv6: true },
            _ => Families {
                ipv4: self.ip.is_some(),
                ipv6: self.link().is_some() || self.delegated.is_some(),
            },
        }
    }

    /// Framed-IPv6-Prefix, else that of Framed-IPv6-Address: 3GPP gateways leave the choice of
    /// addresses in its /64 to the device (RFC 6911 2.1).
    fn link(&self) -> Option<Ipv6Prefix> {
        self.prefix.or_else(|| link_of(self.framed_ipv6?))
    }

    /// What addresses an Access-Request asks for.
    pub fn asked(&self) -> AskedFamilies {
        const IPV4: Families = Families { ipv4: true, ipv6: false };
        const IPV6: Families = Families { ipv4: false, ipv6: true };
        const BOTH: Families = Families { ipv4: true, ipv6: true };
        let connection = match self.pdp_type {
            Some(pdp_type::IPV4) => Some(IPV4),
            Some(pdp_type::IPV6) => Some(IPV6),
            Some(pdp_type::IPV4V6) => Some(BOTH),
            Some(pdp_type::NON_IP..=pdp_type::ETHERNET) => return AskedFamilies::Nothing,
            _ => None,
        };
        let allocation = match self.allocate_ip_type {
            Some(allocate_ip_type::NONE) => return AskedFamilies::Nothing,
            Some(allocate_ip_type::IPV4) => Some(IPV4),
            Some(allocate_ip_type::IPV6) => Some(IPV6),
            Some(allocate_ip_type::BOTH) => Some(BOTH),
            _ => None,
        };
        let families = match (connection, allocation) {
            (None, None) => return AskedFamilies::Unsaid,
            (None | Some(BOTH), Some(families)) | (Some(families), _) => families,
        };
        let is_part = connection == Some(BOTH) && families != BOTH;
        AskedFamilies::Some { families, is_part }
    }

    /// Where and in what the device is.
    pub fn location_info(&self) -> LocationInfo<'a> {
        let LocationInfo { plmn, location, .. } = self.location_info;
        LocationInfo { plmn: serving_network(plmn, location, self.twan), ..self.location_info }
    }

    fn kind(&self) -> AccountingKind {
        let kind = match (self.status, self.network_event) {
            (Some(acct_status_type::START), Some(network_event::ATTACH)) => {
                return AccountingKind::Attach;
            }
            (Some(acct_status_type::STOP), Some(network_event::DETACH)) => {
                return AccountingKind::Detach;
            }
            (Some(acct_status_type::ACCOUNTING_ON | acct_status_type::ACCOUNTING_OFF), _) => {
                return AccountingKind::GatewayRestart;
            }
            (Some(acct_status_type::START), _) => AccountingKind::Start,
            (Some(acct_status_type::INTERIM_UPDATE), _) => AccountingKind::Interim,
            (Some(acct_status_type::STOP), _) => AccountingKind::Stop,
            (Some(_), _) => return AccountingKind::Other,
            (None, _) => return AccountingKind::Invalid,
        };
        // RFC 2866 5.5: these three name a bearer.
        if self.acct_session_id.is_empty() { AccountingKind::Invalid } else { kind }
    }
}

/// In a time that depends on the lengths alone.
fn same(given: &[u8], wanted: &[u8]) -> bool {
    given.ct_eq(wanted).into()
}

fn first<T>(slot: &mut Option<T>, value: Option<T>) {
    if slot.is_none() {
        *slot = value;
    }
}

/// A text or string of no octets is not to be sent (RFC 2865 5), and says nothing.
fn text<'a>(slot: &mut Option<&'a [u8]>, octets: &'a [u8]) {
    first(slot, Some(octets).filter(|octets| !octets.is_empty()));
}

fn integer(octets: &[u8]) -> Option<u32> {
    octets.try_into().ok().map(u32::from_be_bytes)
}

/// The two special values of RFC 2865 5.8, and nothing at all, are no addresses.
fn address(octets: &[u8]) -> Option<Ipv4Addr> {
    integer(octets).filter(|ip| !matches!(ip, 0 | 0xffff_fffe | 0xffff_ffff)).map(Ipv4Addr::from)
}

fn ipv6(octets: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(octets).ok().map(Ipv6Addr::from)
}

fn octet(octets: &[u8]) -> Option<u8> {
    <[u8; 1]>::try_from(octets).ok().map(|[octet]| octet)
}

/// The prefix of a connection; one of another length is none (RFC 5080 2.11).
fn link_prefix(octets: &[u8]) -> Option<Ipv6Prefix> {
    prefix(octets).filter(|prefix| prefix.prefix_len() == Ipv6Prefix::LINK && prefix.bits() != 0)
}

fn link_of(ip: Ipv6Addr) -> Option<Ipv6Prefix> {
    Ipv6Prefix::new(ip, Ipv6Prefix::LINK).filter(|prefix| prefix.bits() != 0)
}

fn delegated_prefix(octets: &[u8]) -> Option<Ipv6Prefix> {
    prefix(octets).filter(|prefix| prefix.prefix_len() < Ipv6Prefix::LINK && prefix.bits() != 0)
}

/// Reserved octet, length in bits, and at least as many octets as that needs (RFC 3162 2.3). Bits
/// beyond the length are cleared: gateways send host bits.
fn prefix(octets: &[u8]) -> Option<Ipv6Prefix> {
    let [_, len, sent @ ..] = octets else { return None };
    let is_whole = sent.len() <= 16 && sent.len() >= usize::from(*len).div_ceil(8);
    let mut whole = [0; 16];
    whole.get_mut(..sent.len())?.copy_from_slice(sent);
    Ipv6Prefix::new(Ipv6Addr::from(whole), *len).filter(|_| is_whole)
}
