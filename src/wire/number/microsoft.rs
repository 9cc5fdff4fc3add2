//! The attributes of Microsoft that packet gateways read: name servers in an Access-Accept (RFC
//! 2548).

/// Microsoft.
pub const VENDOR: u32 = 311;

super::attributes! { MICROSOFT: vendor VENDOR, parent 0;
    28 PRIMARY_DNS_SERVER    "MS-Primary-DNS-Server"    Address "RFC 2548 2.7";
    29 SECONDARY_DNS_SERVER  "MS-Secondary-DNS-Server"  Address "RFC 2548 2.7";
    30 PRIMARY_NBNS_SERVER   "MS-Primary-NBNS-Server"   Address "RFC 2548 2.7";
    31 SECONDARY_NBNS_SERVER "MS-Secondary-NBNS-Server" Address "RFC 2548 2.7";
}
