//! The attributes of 3GPP, which carry what only a mobile network knows (TS 29.061 section 16.4.7).

/// 3GPP.
pub const VENDOR: u32 = 10415;

super::attributes! { TGPP: vendor VENDOR, parent 0;
    1  IMSI                          "3GPP-IMSI"                          Text     "TS 29.061 16.4.7.2-1";
    2  CHARGING_ID                   "3GPP-Charging-ID"                   Integer  "TS 29.061 16.4.7.2-2";
    3  PDP_TYPE                      "3GPP-PDP-Type"                      Integer  "TS 29.061 16.4.7.2-3"   pdp_type;
    4  CHARGING_GATEWAY_ADDRESS      "3GPP-Charging-Gateway-Address"      Address  "TS 29.061 16.4.7.2-4";
    5  GPRS_NEGOTIATED_QOS_PROFILE   "3GPP-GPRS-Negotiated-QoS-profile"   Text     "TS 29.061 16.4.7.2-5";
    6  SGSN_ADDRESS                  "3GPP-SGSN-Address"                  Address  "TS 29.061 16.4.7.2-6";
    7  GGSN_ADDRESS                  "3GPP-GGSN-Address"                  Address  "TS 29.061 16.4.7.2-7";
    8  IMSI_MCC_MNC                  "3GPP-IMSI-MCC-MNC"                  Text     "TS 29.061 16.4.7.2-8";
    9  GGSN_MCC_MNC                  "3GPP-GGSN-MCC-MNC"                  Text     "TS 29.061 16.4.7.2-9";
    10 NSAPI                         "3GPP-NSAPI"                         Text     "TS 29.061 16.4.7.2-10";
    11 SESSION_STOP_INDICATOR        "3GPP-Session-Stop-Indicator"        Byte     "TS 29.061 16.4.7.2-11";
    12 SELECTION_MODE                "3GPP-Selection-Mode"                Text     "TS 29.061 16.4.7.2-12";
    13 CHARGING_CHARACTERISTICS      "3GPP-Charging-Characteristics"      Text     "TS 29.061 16.4.7.2-13";
    14 CHARGING_GATEWAY_IPV6_ADDRESS "3GPP-Charging-Gateway-IPv6-Address" Address6 "TS 29.061 16.4.7.2-14";
    15 SGSN_IPV6_ADDRESS             "3GPP-SGSN-IPv6-Address"             Address6 "TS 29.061 16.4.7.2-15";
    16 GGSN_IPV6_ADDRESS             "3GPP-GGSN-IPv6-Address"             Address6 "TS 29.061 16.4.7.2-16";
    17 IPV6_DNS_SERVERS              "3GPP-IPv6-DNS-Servers"              Octets   "TS 29.061 16.4.7.2-17";
    18 SGSN_MCC_MNC                  "3GPP-SGSN-MCC-MNC"                  Text     "TS 29.061 16.4.7.2-18";
    19 TEARDOWN_INDICATOR            "3GPP-Teardown-Indicator"            Byte     "TS 29.061 16.4.7.2-19";
    20 IMEISV                        "3GPP-IMEISV"                        Text     "TS 29.061 16.4.7.2-20";
    21 RAT_TYPE                      "3GPP-RAT-Type"                      Byte     "TS 29.061 16.4.7.2-21"  rat_type;
    22 USER_LOCATION_INFO            "3GPP-User-Location-Info"            Octets   "TS 29.061 16.4.7.2-22";
    23 MS_TIME_ZONE                  "3GPP-MS-Time-Zone"                  Octets   "TS 29.061 16.4.7.2-23";
    24 CAMEL_CHARGING_INFO           "3GPP-Camel-Charging-Info"           Octets   "TS 29.061 16.4.7.2-24";
    25 PACKET_FILTER                 "3GPP-Packet-Filter"                 Octets   "TS 29.061 16.4.7.2-25";
    26 NEGOTIATED_DSCP               "3GPP-Negotiated-DSCP"               Byte     "TS 29.061 16.4.7.2-26";
    27 ALLOCATE_IP_TYPE              "3GPP-Allocate-IP-Type"              Byte     "TS 29.061 16.4.7.2-27"  allocate_ip_type;
    28 EXTERNAL_IDENTIFIER           "External-Identifier"                Text     "TS 29.061 16.4.7.2-28";
    29 TWAN_IDENTIFIER               "TWAN-Identifier"                    Octets   "TS 29.061 16.4.7.2-29";
    30 USER_LOCATION_INFO_TIME       "3GPP-User-Location-Info-Time"       Integer  "TS 29.061 16.4.7.2-30";
    31 SECONDARY_RAT_USAGE           "3GPP-Secondary-RAT-Usage"           Octets   "TS 29.061 16.4.7.2-31";
    32 UE_LOCAL_IP_ADDRESS           "3GPP-UE-Local-IP-Address"           Octets   "TS 29.061 16.4.7.2-32";
    33 UE_SOURCE_PORT                "3GPP-UE-Source-Port"                Octets   "TS 29.061 16.4.7.2-33";
}
