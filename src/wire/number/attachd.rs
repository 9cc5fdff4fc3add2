//! Our own attributes. Their vendor number is a setting; this is its default.

/// Reserved for documentation (RFC 5612): whoever has a number of their own configures it.
pub const DEFAULT_VENDOR: u32 = 32473;

super::attributes! { ATTACHD: vendor DEFAULT_VENDOR, parent 0;
    1 ICCID          "Attachd-ICCID"          Text    "PROTOCOL 9";
    2 NETWORK_EVENT  "Attachd-Network-Event"  Integer "PROTOCOL 9" network_event;
    3 VSLICE         "Attachd-VSlice"         Text    "PROTOCOL 9";
    4 ENDPOINT_GROUP "Attachd-Endpoint-Group" Text    "PROTOCOL 9";
}
