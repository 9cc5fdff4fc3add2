//! The names of values. Where a number has several, the first is shown and all are understood.
//!
//! A value has a constant only where code speaks of it.

/// One table for each enumeration: `number "Name" CONSTANT`, all constants `u32`.
macro_rules! values {
    ($($section:literal $module:ident { $($number:literal $name:literal $($constant:ident)?,)* })*) => {
        $(
            #[doc = concat!("Values of ", $section, ".")]
            pub mod $module {
                $($(#[doc = concat!($name, ".")] pub const $constant: u32 = $number;)?)*

                pub(in crate::wire) const NAMES: &[(u32, &str)] = &[$(($number, $name)),*];

                /// The name of a value, if it has one.
                #[must_use]
                pub fn name(value: u32) -> Option<&'static str> {
                    NAMES.iter().find(|(number, _)| *number == value).map(|(_, name)| *name)
                }
            }
        )*
    };
}

values! {
    "Service-Type, RFC 2865 5.6, RFC 5176 3.2, RFC 5607"
    service_type {
        1 "Login-User", 2 "Framed-User" FRAMED, 3 "Callback-Login-User", 4 "Callback-Framed-User", 5 "Outbound-User",
        6 "Administrative-User", 7 "NAS-Prompt-User", 8 "Authenticate-Only", 9 "Callback-NAS-Prompt", 10 "Call-Check" CALL_CHECK,
        11 "Callback-Administrative", 12 "Voice", 13 "Fax", 14 "Modem-Relay", 15 "IAPP-Register", 16 "IAPP-AP-Check",
        17 "Authorize-Only" AUTHORIZE_ONLY, 18 "Framed-Management",
    }

    "Framed-Protocol, RFC 2865 5.7, TS 29.061 16.4.1"
    framed_protocol {
        1 "PPP" PPP, 2 "SLIP", 3 "ARAP", 4 "Gandalf-SLML", 5 "Xylogics-IPX-SLIP", 6 "X.75-Synchronous",
        7 "GPRS-PDP-Context" GPRS_PDP_CONTEXT, 9 "PPTP",
    }

    "Framed-Routing, RFC 2865 5.10"
    framed_routing { 0 "None", 1 "Broadcast", 2 "Listen", 3 "Broadcast-Listen", }

    "Framed-Compression, RFC 2865 5.13"
    framed_compression { 0 "None", 1 "Van-Jacobson-TCP-IP", 2 "IPX-Header-Compression", 3 "Stac-LZS", }

    "Login-Service, RFC 2865 5.15"
    login_service {
        0 "Telnet", 1 "Rlogin", 2 "TCP-Clear", 3 "PortMaster", 4 "LAT", 5 "X25-PAD", 6 "X25-T3POS", 8 "TCP-Clear-Quiet",
    }

    "Login-TCP-Port, RFC 2865 5.16"
    login_tcp_port { 23 "Telnet", 513 "Rlogin", 514 "Rsh", }

    "Termination-Action, RFC 2865 5.29"
    termination_action { 0 "Default", 1 "RADIUS-Request", }

    "Acct-Status-Type, RFC 2866 5.1, RFC 2867 3"
    acct_status_type {
        1 "Start" START, 2 "Stop" STOP, 3 "Interim-Update" INTERIM_UPDATE, 3 "Alive",
        7 "Accounting-On" ACCOUNTING_ON, 8 "Accounting-Off" ACCOUNTING_OFF,
        9 "Tunnel-Start", 10 "Tunnel-Stop", 11 "Tunnel-Reject", 12 "Tunnel-Link-Start", 13 "Tunnel-Link-Stop", 14 "Tunnel-Link-Reject",
        15 "Failed" FAILED, 18 "Subsystem-On", 19 "Subsystem-Off",
    }

    "Acct-Authentic, RFC 2866 5.6"
    acct_authentic { 1 "RADIUS" RADIUS, 2 "Local", 3 "Remote", 4 "Diameter", }

    "Acct-Terminate-Cause, RFC 2866 5.10, RFC 3580 2.1"
    acct_terminate_cause {
        1 "User-Request" USER_REQUEST, 2 "Lost-Carrier" LOST_CARRIER, 3 "Lost-Service" LOST_SERVICE, 4 "Idle-Timeout" IDLE_TIMEOUT,
        5 "Session-Timeout" SESSION_TIMEOUT, 6 "Admin-Reset" ADMIN_RESET, 7 "Admin-Reboot" ADMIN_REBOOT, 8 "Port-Error", 9 "NAS-Error" NAS_ERROR,
        10 "NAS-Request" NAS_REQUEST, 11 "NAS-Reboot" NAS_REBOOT, 12 "Port-Unneeded", 13 "Port-Preempted", 14 "Port-Suspended",
        15 "Service-Unavailable", 16 "Callback", 17 "User-Error", 18 "Host-Request",
        19 "Supplicant-Restart", 20 "Reauthentication-Failure", 21 "Port-Reinit", 22 "Port-Disabled",
    }

    "NAS-Port-Type, RFC 2865 5.41, RFC 3580, IANA"
    nas_port_type {
        0 "Async", 1 "Sync", 2 "ISDN", 3 "ISDN-V120", 4 "ISDN-V110", 5 "Virtual" VIRTUAL, 6 "PIAFS", 7 "HDLC-Clear-Channel", 8 "X.25",
        9 "X.75", 10 "G.3-Fax", 11 "SDSL", 12 "ADSL-CAP", 13 "ADSL-DMT", 14 "IDSL", 15 "Ethernet", 16 "xDSL", 17 "Cable",
        18 "Wireless-Other" WIRELESS_OTHER, 19 "Wireless-802.11", 20 "Token-Ring", 21 "FDDI", 22 "Wireless-CDMA2000",
        23 "Wireless-UMTS", 24 "Wireless-1X-EV", 25 "IAPP", 26 "FTTP", 27 "Wireless-802.16", 28 "Wireless-802.20",
        29 "Wireless-802.22", 30 "PPPoA", 31 "PPPoEoA", 32 "PPPoEoE", 33 "PPPoEoVLAN", 34 "PPPoEoQinQ", 35 "xPON", 36 "Wireless-XGP",
    }

    "Tunnel-Type, RFC 2868 3.1, RFC 3580 3.31"
    tunnel_type {
        1 "PPTP", 2 "L2F", 3 "L2TP", 4 "ATMP", 5 "VTP", 6 "AH", 7 "IP", 8 "MIN-IP", 9 "ESP", 10 "GRE", 11 "DVS", 12 "IP-in-IP", 13 "VLAN",
    }

    "Tunnel-Medium-Type, RFC 2868 3.2"
    tunnel_medium_type {
        1 "IPv4", 1 "IP", 2 "IPv6", 3 "NSAP", 4 "HDLC", 5 "BBN-1822", 6 "IEEE-802", 7 "E.163", 8 "E.164", 9 "F.69", 10 "X.121", 11 "IPX",
        12 "Appletalk", 13 "DecNet-IV", 14 "Banyan-Vines", 15 "E.164-NSAP",
    }

    "ARAP-Zone-Access, RFC 2869 5.6"
    arap_zone_access { 1 "Default-Zone", 2 "Zone-Filter-Inclusive", 4 "Zone-Filter-Exclusive", }

    "Prompt, RFC 2869 5.10"
    prompt { 0 "No-Echo", 1 "Echo", }

    "Error-Cause, RFC 5176 3.5, RFC 7930 6"
    error_cause {
        201 "Residual-Context-Removed", 202 "Invalid-EAP-Packet", 401 "Unsupported-Attribute" UNSUPPORTED_ATTRIBUTE,
        402 "Missing-Attribute" MISSING_ATTRIBUTE,
        403 "NAS-Identification-Mismatch", 404 "Invalid-Request", 405 "Unsupported-Service", 406 "Unsupported-Extension" UNSUPPORTED_EXTENSION,
        407 "Invalid-Attribute-Value" INVALID_ATTRIBUTE_VALUE, 501 "Administratively-Prohibited" ADMINISTRATIVELY_PROHIBITED,
        502 "Proxy-Request-Not-Routable" PROXY_REQUEST_NOT_ROUTABLE,
        503 "Session-Context-Not-Found" SESSION_CONTEXT_NOT_FOUND,
        504 "Session-Context-Not-Removable" SESSION_CONTEXT_NOT_REMOVABLE,
        505 "Proxy-Processing-Error" PROXY_PROCESSING_ERROR,
        506 "Resources-Unavailable" RESOURCES_UNAVAILABLE, 507 "Request-Initiated",
        508 "Multiple-Session-Selection-Unsupported" MULTIPLE_SESSION_SELECTION_UNSUPPORTED,
        509 "Location-Capable-Required", 510 "Missing-Message-Authenticator", 601 "Response-Too-Big",
    }

    "3GPP-PDP-Type, TS 29.061 16.4.7.2-3"
    pdp_type {
        0 "IPv4" IPV4, 1 "PPP", 2 "IPv6" IPV6, 3 "IPv4v6" IPV4V6, 4 "Non-IP" NON_IP, 5 "Unstructured", 6 "Ethernet" ETHERNET,
    }

    "3GPP-RAT-Type, TS 29.061 16.4.7.2-21, TS 29.274 8.17"
    rat_type {
        1 "UTRAN" UTRAN, 2 "GERAN" GERAN, 3 "WLAN", 4 "GAN", 5 "HSPA-Evolution", 6 "EUTRAN" EUTRAN, 7 "Virtual",
        8 "NB-IoT" NB_IOT, 8 "EUTRAN-NB-IoT", 9 "LTE-M" LTE_M, 51 "NR" NR, 52 "NR-U", 53 "Trusted-WLAN", 54 "Trusted-Non-3GPP",
        55 "Wireline", 56 "Wireline-Cable", 57 "Wireline-BBF", 101 "IEEE-802.16e", 102 "3GPP2-eHRPD", 103 "3GPP2-HRPD",
        104 "3GPP2-1xRTT", 105 "3GPP2-UMB",
    }

    "3GPP-Allocate-IP-Type, TS 29.061 16.4.7.2-27"
    allocate_ip_type {
        0 "Do-Not-Allocate" NONE, 1 "Allocate-IPv4-Address" IPV4, 2 "Allocate-IPv6-Prefix" IPV6, 3 "Allocate-IPv4-and-IPv6" BOTH,
    }

    "Attachd-Network-Event, PROTOCOL 9"
    network_event { 1 "Attach" ATTACH, 2 "Detach" DETACH, }
}
