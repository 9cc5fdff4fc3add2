//! What a packet gateway says of one SIM: some 350 octets a request.

use std::net::Ipv4Addr;

use attachd::wire::{Code, Encoder, LONGEST, Secret, TooLong, number};

/// The vendor number of 3GPP.
const TGPP: u32 = 10415;

/// A request's octets, in a buffer that is used again.
pub struct Room([u8; LONGEST]);

impl Default for Room {
    fn default() -> Self {
        Self([0; LONGEST])
    }
}

/// One SIM in the words of its gateway.
#[derive(Clone, Copy)]
pub struct Device<'s> {
    pub number: u64,
    pub secret: &'s Secret,
}

/// What an Access-Accept gave, and the accounting repeats.
#[derive(Clone, Copy, Default)]
pub struct Granted {
    pub ip: Option<Ipv4Addr>,
    pub class: [u8; 16],
}

/// Acct-Status-Type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Start = 1,
    Stop = 2,
    Interim = 3,
}

impl Device<'_> {
    /// May it attach. `nonce` makes the authenticator one that was not sent before.
    pub fn access_request<'r>(
        &self,
        buf: &'r mut Room,
        identifier: u8,
        nonce: u64,
    ) -> Result<&'r [u8], TooLong> {
        let mut encoder = Encoder::new(&mut buf.0, Code::ACCESS_REQUEST, identifier);
        encoder.message_authenticator();
        self.describe(&mut encoder);
        let mut random = [0; 16];
        random[..8].copy_from_slice(&self.number.to_be_bytes());
        random[8..].copy_from_slice(&nonce.to_be_bytes());
        let length = encoder.finish_request(self.secret, random)?;
        Ok(&buf.0[..length])
    }

    /// What happened in its session number `session`.
    pub fn accounting<'r>(
        &self,
        buf: &'r mut Room,
        identifier: u8,
        status: Status,
        session: u32,
        granted: &Granted,
    ) -> Result<&'r [u8], TooLong> {
        let mut encoder = Encoder::new(&mut buf.0, Code::ACCOUNTING_REQUEST, identifier);
        encoder.integer(number::ACCT_STATUS_TYPE, status as u32);
        encoder.attribute(
            number::ACCT_SESSION_ID,
            format!("{session:08X}{:08X}", self.number as u32).as_bytes(),
        );
        self.describe(&mut encoder);
        if let Some(ip) = granted.ip {
            encoder.address(number::FRAMED_IP_ADDRESS, ip).attribute(number::CLASS, &granted.class);
        }
        if status != Status::Start {
            encoder
                .integer(number::ACCT_INPUT_OCTETS, 123_456)
                .integer(number::ACCT_OUTPUT_OCTETS, 654_321);
            encoder.integer(number::ACCT_SESSION_TIME, 600);
        }
        let length = encoder.finish_request(self.secret, [0; 16])?;
        Ok(&buf.0[..length])
    }

    pub fn imsi(&self) -> String {
        format!("23450{:010}", self.number)
    }

    /// Eighteen digits and the one that checks them, after Luhn.
    pub fn iccid(&self) -> String {
        let digits = format!("8944500{:011}", self.number);
        let weigh = |(place, digit): (usize, u8)| {
            let digit = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        };
        let sum: u32 = digits.bytes().rev().enumerate().map(weigh).sum();
        format!("{digits}{}", (10 - sum % 10) % 10)
    }

    pub fn msisdn(&self) -> String {
        format!("4477{:09}", self.number % 1_000_000_000)
    }

    fn describe(&self, encoder: &mut Encoder<'_>) {
        let msisdn = self.msisdn();
        encoder.attribute(number::USER_NAME, msisdn.as_bytes());
        encoder.address(number::NAS_IP_ADDRESS, Ipv4Addr::new(192, 0, 2, 10));
        encoder.attribute(number::NAS_IDENTIFIER, b"pgw1.example");
        encoder
            .integer(number::SERVICE_TYPE, 2)
            .integer(number::FRAMED_PROTOCOL, 7)
            .integer(number::NAS_PORT_TYPE, 18);
        encoder
            .attribute(number::CALLED_STATION_ID, b"iot.example")
            .attribute(number::CALLING_STATION_ID, msisdn.as_bytes());
        for (kind, value) in [
            (1, self.imsi().as_bytes()),
            (2, &(self.number as u32 | 1).to_be_bytes()[..]),
            (5, b"08-4D090003E8000003E8"),
            (6, &[198, 51, 100, 6]),
            (7, &[192, 0, 2, 10]),
            (8, b"234500"),
            (10, b"5"),
            (13, b"0800"),
            (18, b"26201"),
            (20, b"3534900698733190"),
            (21, &[8]),
            (22, &[0x82, 0x62, 0xf2, 0x10, 0x12, 0x34, 0x62, 0xf2, 0x10, 0x01, 0xab, 0xcd, 0xef]),
            (23, &[0x40, 0x00]),
        ] {
            encoder.vendor(TGPP, kind, value);
        }
    }
}
