//! The packets a gateway sends: the attributes of TS 29.061 16.4 in the way packet gateways really
//! fill them in.

use std::net::Ipv4Addr;

use crate::exchange::Composer;
use crate::simulator::device::{Cause, Classes, Usage};
use crate::simulator::scenario::Identify;
use crate::wire::number::{self, attachd, tgpp, value};
use crate::wire::tgpp::{Plmn, TimeZone, UserLocation};
use crate::wire::{Encoder, Secret};

/// A request being written, and what its password is hidden with.
pub struct RequestDraft<'a, 'b> {
    pub encoder: &'a mut Encoder<'b>,
    pub secret: &'a Secret,
    pub authenticator: &'a [u8; 16],
}

/// The gateway as it presents itself.
#[derive(Clone, Debug)]
pub struct Profile {
    pub name: String,
    pub nas_ip: Ipv4Addr,
    /// MCC and MNC of the network in which its endpoints are served.
    pub plmn: String,
}

/// The endpoint as the gateway knows it.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    pub iccid: &'a [u8],
    /// Empty: unknown. The same for the MSISDN.
    pub imsi: &'a [u8],
    pub msisdn: &'a [u8],
    pub identify: Identify,
    /// Of Attachd's own attributes.
    pub vendor: u32,
    pub apn: &'a str,
    pub password: Option<&'a str>,
    pub rat: u8,
    /// Decides device and cell.
    pub number: u32,
}

/// A bearer as the gateway reports it.
#[derive(Clone, Copy, Debug)]
pub struct BearerUsage<'a> {
    pub charging_id: u32,
    pub address: Ipv4Addr,
    pub classes: &'a Classes,
}

/// What is reported of a bearer.
#[derive(Clone, Copy, Debug)]
pub enum ReportType {
    Start,
    Interim(Usage),
    Stop(Usage, Cause),
}

/// The values of Attachd-Network-Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum NetworkEvent {
    Attach = 1,
    Detach = 2,
}

impl<'a, 'b> RequestDraft<'a, 'b> {
    pub(super) fn of(composer: &'a mut Composer<'_, 'b>) -> Self {
        Self {
            encoder: composer.encoder,
            secret: composer.secret,
            authenticator: composer.authenticator,
        }
    }
}

impl RequestDraft<'_, '_> {
    /// Access-Request: leave to open a session, or only to attach.
    pub fn access(
        &mut self,
        profile: &Profile,
        caller: &Caller<'_>,
        charging_id: u32,
        event: Option<NetworkEvent>,
    ) {
        // Checklist H1: in every Access-Request, first (draft-ietf-radext-deprecating-radius).
        self.encoder.message_authenticator();
        self.encoder.attribute(number::USER_NAME, caller.user_name());
        if let Some(password) = caller.password {
            self.encoder.user_password(password.as_bytes(), self.secret, self.authenticator);
        }
        self.common(profile, caller, charging_id);
        self.network_event(caller, event);
    }

    /// Accounting-Request of a bearer. `event_s` is when it happened, in seconds since 1970.
    pub fn accounting(
        &mut self,
        profile: &Profile,
        caller: &Caller<'_>,
        bearer: &BearerUsage<'_>,
        report: ReportType,
        event_s: u32,
    ) {
        let status = match report {
            ReportType::Start => value::acct_status_type::START,
            ReportType::Interim(_) => value::acct_status_type::INTERIM_UPDATE,
            ReportType::Stop(..) => value::acct_status_type::STOP,
        };
        self.encoder
            .integer(number::ACCT_STATUS_TYPE, status)
            .attribute(number::USER_NAME, caller.user_name());
        self.common(profile, caller, bearer.charging_id);
        self.encoder
            .address(number::FRAMED_IP_ADDRESS, bearer.address)
            .integer(number::ACCT_AUTHENTIC, value::acct_authentic::RADIUS);
        // RFC 2865 5.25: all of them, unchanged, in every report.
        for class in bearer.classes.iter() {
            self.encoder.attribute(number::CLASS, class);
        }
        match report {
            ReportType::Start => {}
            ReportType::Interim(usage) => self.usage(usage),
            ReportType::Stop(usage, Cause(cause)) => {
                self.usage(usage);
                self.encoder.integer(number::ACCT_TERMINATE_CAUSE, u32::from(cause));
                // The only bearer of the session was its last (TS 29.061 16.4.7.2-11).
                self.encoder.vendor(tgpp::VENDOR, tgpp::SESSION_STOP_INDICATOR, &[0xFF]);
            }
        }
        self.when(event_s);
    }

    /// Accounting-Request about the endpoint itself, which has no bearer.
    pub fn network_report(
        &mut self,
        profile: &Profile,
        caller: &Caller<'_>,
        event: NetworkEvent,
        charging_id: u32,
        event_s: u32,
    ) {
        let status = match event {
            NetworkEvent::Attach => value::acct_status_type::START,
            NetworkEvent::Detach => value::acct_status_type::STOP,
        };
        self.encoder
            .integer(number::ACCT_STATUS_TYPE, status)
            .attribute(number::USER_NAME, caller.user_name());
        self.common(profile, caller, charging_id);
        self.network_event(caller, Some(event));
        self.when(event_s);
    }

    /// Accounting-On or -Off: carries no user (TS 29.061 16.4.5).
    pub fn restart(&mut self, profile: &Profile, status: u32, event_s: u32) {
        self.encoder.integer(number::ACCT_STATUS_TYPE, status);
        self.gateway(profile);
        // RFC 2866 5.5 wants one; gateways send this one.
        self.encoder.attribute(number::ACCT_SESSION_ID, b"0");
        self.when(event_s);
    }

    /// Status-Server (RFC 5997 3).
    pub fn status(&mut self, profile: &Profile) {
        self.encoder.message_authenticator();
        self.gateway(profile);
    }

    fn gateway(&mut self, profile: &Profile) {
        self.encoder
            .address(number::NAS_IP_ADDRESS, profile.nas_ip)
            .attribute(number::NAS_IDENTIFIER, profile.name.as_bytes());
    }

    /// What every packet about an endpoint has.
    fn common(&mut self, profile: &Profile, caller: &Caller<'_>, charging_id: u32) {
        self.gateway(profile);
        self.encoder
            .integer(number::SERVICE_TYPE, value::service_type::FRAMED)
            .integer(number::FRAMED_PROTOCOL, value::framed_protocol::GPRS_PDP_CONTEXT)
            .integer(number::NAS_PORT_TYPE, value::nas_port_type::WIRELESS_OTHER)
            .attribute(number::ACCT_SESSION_ID, &acct_session_id(profile.nas_ip, charging_id));
        if !caller.apn.is_empty() {
            self.encoder.attribute(number::CALLED_STATION_ID, caller.apn.as_bytes());
        }
        if !caller.msisdn.is_empty() {
            self.encoder.attribute(number::CALLING_STATION_ID, caller.msisdn);
        }
        if caller.identify == Identify::Iccid {
            self.encoder.vendor(caller.vendor, attachd::ICCID, caller.iccid);
        }
        self.mobile(profile, caller, charging_id);
    }

    /// The attributes of 3GPP (TS 29.061 16.4.7).
    fn mobile(&mut self, profile: &Profile, caller: &Caller<'_>, charging_id: u32) {
        let mut tgpp = |number, octets: &[u8]| {
            self.encoder.vendor(tgpp::VENDOR, number, octets);
        };
        if matches!(caller.identify, Identify::Iccid | Identify::Imsi) && !caller.imsi.is_empty() {
            tgpp(tgpp::IMSI, caller.imsi);
            tgpp(tgpp::IMSI_MCC_MNC, &caller.imsi[..caller.imsi.len().min(5)]);
        }
        tgpp(tgpp::CHARGING_ID, &charging_id.to_be_bytes());
        tgpp(tgpp::PDP_TYPE, &[0; 4]);
        tgpp(tgpp::GGSN_ADDRESS, &profile.nas_ip.octets());
        tgpp(tgpp::SGSN_MCC_MNC, profile.plmn.as_bytes());
        tgpp(tgpp::NSAPI, b"5");
        tgpp(tgpp::SELECTION_MODE, b"0");
        tgpp(tgpp::CHARGING_CHARACTERISTICS, b"0400");
        tgpp(tgpp::IMEISV, &imeisv(caller.number));
        tgpp(tgpp::RAT_TYPE, &[caller.rat]);
        if let Some(plmn) = Plmn::from_digits(&profile.plmn) {
            let cell = caller.number % 1000;
            tgpp(
                tgpp::USER_LOCATION_INFO,
                &UserLocation::encode_tai_ecgi(plmn, (cell / 10) as u16 + 1, cell + 1),
            );
        }
        if let Some(zone) = TimeZone::encode(0, 0) {
            tgpp(tgpp::MS_TIME_ZONE, &zone);
        }
    }

    fn usage(&mut self, usage: Usage) {
        let (input, output) = (usage.input, usage.output);
        self.encoder
            .integer(number::ACCT_INPUT_OCTETS, input as u32)
            .integer(number::ACCT_OUTPUT_OCTETS, output as u32)
            .integer(number::ACCT_INPUT_PACKETS, (input / 500) as u32)
            .integer(number::ACCT_OUTPUT_PACKETS, (output / 1200) as u32)
            .integer(number::ACCT_SESSION_TIME, usage.seconds);
        // RFC 2869 5.1: only once the counter has wrapped.
        if (input | output) >> 32 > 0 {
            self.encoder
                .integer(number::ACCT_INPUT_GIGAWORDS, (input >> 32) as u32)
                .integer(number::ACCT_OUTPUT_GIGAWORDS, (output >> 32) as u32);
        }
    }

    fn network_event(&mut self, caller: &Caller<'_>, event: Option<NetworkEvent>) {
        if let Some(event) = event {
            self.encoder.vendor(
                caller.vendor,
                attachd::NETWORK_EVENT,
                &(event as u32).to_be_bytes(),
            );
        }
    }

    /// Event-Timestamp stays what it is in every copy; Acct-Delay-Time grows.
    fn when(&mut self, event_s: u32) {
        self.encoder.integer(number::EVENT_TIMESTAMP, event_s).integer(number::ACCT_DELAY_TIME, 0);
    }
}

impl<'a> Caller<'a> {
    /// Gateways put the MSISDN there, or what they have instead.
    const fn user_name(&self) -> &'a [u8] {
        match self.identify {
            Identify::Iccid => self.iccid,
            Identify::Imsi | Identify::UserName => self.imsi,
            Identify::Msisdn => self.msisdn,
        }
    }
}

/// The control plane's address and the Charging-ID in hexadecimal (TS 29.061 16.4).
pub fn acct_session_id(nas_ip: Ipv4Addr, charging_id: u32) -> [u8; 16] {
    let mut text = [0; 16];
    let number = u64::from(u32::from(nas_ip)) << 32 | u64::from(charging_id);
    for (place, octet) in text.iter_mut().enumerate() {
        *octet = b"0123456789ABCDEF"[(number >> (60 - 4 * place)) as usize & 15];
    }
    text
}

/// A type allocation code for tests, the endpoint's number as serial number, software version 01.
fn imeisv(number: u32) -> [u8; 16] {
    let mut text = *b"0010150000000001";
    let mut rest = number;
    for octet in text[8..14].iter_mut().rev() {
        *octet = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_and_device_have_names() {
        assert_eq!(
            &acct_session_id(Ipv4Addr::new(192, 0, 2, 10), 0x0102_0304),
            b"C000020A01020304"
        );
        assert_eq!(&imeisv(1_234_567), b"0010150023456701");
    }
}
