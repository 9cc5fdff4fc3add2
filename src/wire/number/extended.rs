//! The attributes that stand inside Extended-Attribute-1 (RFC 6929).

super::attributes! { EXTENDED: vendor 0, parent super::EXTENDED_ATTRIBUTE_1;
    3 RESPONSE_LENGTH      "Response-Length"      Integer "RFC 7930";
    4 ORIGINAL_PACKET_CODE "Original-Packet-Code" Integer "RFC 7930 4";
}
