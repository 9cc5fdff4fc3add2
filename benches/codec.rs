//! What the codec costs for one packet: an accounting Start of 367 octets with everything a packet
//! gateway sends.

use std::hint::black_box;

use attachd::wire::{Code, Datagram, Encoder, Secret, number};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SECRET: &[u8] = b"xyzzy5461";

/// A packet of fixtures/packets.
fn packet(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn start(criterion: &mut Criterion) {
    let octets = packet(include_str!("../fixtures/packets/session-start.hex"));
    let secret = Secret::new(SECRET);
    let Ok(datagram) = Datagram::frame(&octets) else { return };
    let mut group = criterion.benchmark_group("accounting-start");
    group.throughput(Throughput::Elements(1));
    group.bench_function("frame", |bencher| bencher.iter(|| Datagram::frame(black_box(&octets))));
    group.bench_function("values", |bencher| {
        bencher.iter(|| {
            black_box(datagram)
                .values()
                .fold(0, |sum, value| sum + value.octets.len() + usize::from(value.key.number))
        });
    });
    group.bench_function("verify", |bencher| {
        bencher.iter(|| black_box(&datagram).verify_request(&secret));
    });
    group.bench_function("frame, verify, values", |bencher| {
        bencher.iter(|| {
            let datagram = Datagram::frame(black_box(&octets)).ok()?;
            datagram.verify_request(&secret).ok()?;
            Some(datagram.values().fold(0, |sum, value| sum + value.octets.len()))
        });
    });
    group.bench_function("sign the response", |bencher| {
        let mut buffer = [0; 4096];
        bencher.iter(|| {
            let mut encoder = Encoder::new(
                black_box(&mut buffer),
                Code::ACCOUNTING_RESPONSE,
                datagram.identifier(),
            );
            encoder.copy(&datagram, number::PROXY_STATE);
            encoder.finish_reply(&secret, datagram.authenticator())
        });
    });
    group.finish();
}

fn attach(criterion: &mut Criterion) {
    let octets = packet(include_str!("../fixtures/packets/attach-request.hex"));
    let secret = Secret::new(SECRET);
    let Ok(datagram) = Datagram::frame(&octets) else { return };
    let mut group = criterion.benchmark_group("attach");
    group.throughput(Throughput::Elements(1));
    group.bench_function("frame, verify, values", |bencher| {
        bencher.iter(|| {
            let datagram = Datagram::frame(black_box(&octets)).ok()?;
            datagram.verify_request(&secret).ok()?;
            Some(datagram.values().fold(0, |sum, value| sum + value.octets.len()))
        });
    });
    group.bench_function("sign the accept", |bencher| {
        let mut buffer = [0; 4096];
        bencher.iter(|| {
            let mut encoder =
                Encoder::new(black_box(&mut buffer), Code::ACCESS_ACCEPT, datagram.identifier());
            encoder
                .message_authenticator()
                .attribute(number::FRAMED_IP_ADDRESS, &[100, 64, 0, 2])
                .attribute(number::FRAMED_IP_NETMASK, &[255; 4])
                .attribute(number::CLASS, b"0123456789abcdef")
                .integer(number::ACCT_INTERIM_INTERVAL, 600)
                .copy(&datagram, number::PROXY_STATE);
            encoder.finish_reply(&secret, datagram.authenticator())
        });
    });
    group.finish();
}

criterion_group!(benches, start, attach);
criterion_main!(benches);
