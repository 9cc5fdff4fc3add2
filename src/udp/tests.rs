//! Real sockets on the loopback interface: what goes in comes out, and nothing stops a listener.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::*;

fn gateway(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn open(address: &str) -> Socket {
    Socket::open_all(address.parse().unwrap(), 1).unwrap().remove(0)
}

/// Datagrams sent over the loopback interface are there when `send` returns.
fn receive(
    inbox: &mut Inbox,
    socket: &Socket,
) -> Vec<(SocketAddr, Option<std::net::IpAddr>, Vec<u8>)> {
    inbox.receive(socket).unwrap();
    inbox.iter().map(|received| (received.from, received.to, received.octets.to_vec())).collect()
}

#[test]
fn a_batch_comes_in_and_goes_out_grouped() {
    for mut outbox in [Outbox::default(), Outbox::one_by_one()] {
        let (server, first, second) =
            (open("127.0.0.1:0"), gateway("127.0.0.1:0"), gateway("127.0.0.1:0"));
        for number in 0..40u8 {
            first.send_to(&[number; 30], server.address()).unwrap();
            second.send_to(&vec![number; 20 + number as usize % 3], server.address()).unwrap();
        }
        let mut inbox = Inbox::default();
        for (count, is_full) in [(BATCH, true), (BATCH, true), (80 - 2 * BATCH, false)] {
            assert_eq!(inbox.receive(&server).unwrap(), count);
            assert_eq!(inbox.is_full(), is_full);
            inbox
                .iter()
                .for_each(|received| outbox.push(received.from, received.to, received.octets));
        }
        assert_eq!(outbox.flush(&server), Sent { sent: 80, lost: 0 });

        let mut buffer = [0; 100];
        let mut numbers: Vec<u8> = (0..40)
            .map(|_| {
                assert_eq!(first.recv_from(&mut buffer).unwrap(), (30, server.address()));
                buffer[0]
            })
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..40).collect::<Vec<u8>>(), "each reply once");
        for _ in 0..40 {
            let len = second.recv(&mut buffer).unwrap();
            assert_eq!(len, 20 + buffer[0] as usize % 3, "each in its own length");
        }
    }
}

#[test]
fn what_came_together_is_taken_apart_again() {
    let (server, sender) = (open("127.0.0.1:0"), open("127.0.0.1:0"));
    let mut outbox = Outbox::default();
    // Two trains of one length each, with a shorter last wagon or alone; and an empty one.
    for (length, count) in [(100, 5), (60, 1), (333, 64), (0, 1)] {
        (0..count).for_each(|number| outbox.push(server.address(), None, &vec![number; length]));
    }
    assert_eq!(outbox.flush(&sender), Sent { sent: 71, lost: 0 });
    let mut received = receive(&mut Inbox::default(), &server);
    assert!(received.iter().all(|(from, ..)| *from == sender.address()));
    let mut by_length: Vec<(usize, Vec<u8>)> = Vec::new();
    received.sort_by_key(|(.., octets)| octets.len());
    for chunk in received.chunk_by(|(.., left), (.., right)| left.len() == right.len()) {
        by_length.push((
            chunk[0].2.len(),
            chunk.iter().map(|(.., octets)| octets.first().copied().unwrap_or(0)).collect(),
        ));
    }
    assert_eq!(
        by_length,
        [(0, vec![0]), (60, vec![0]), (100, (0..5).collect()), (333, (0..64).collect())],
        "in the order they were sent"
    );
}

#[test]
fn nothing_to_receive_is_said_so() {
    let server = open("127.0.0.1:0");
    assert_eq!(
        Inbox::default().receive(&server).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
}

#[test]
fn a_reply_leaves_from_the_address_the_request_was_sent_to() {
    let (server, peer) = (open("0.0.0.0:0"), gateway("127.0.0.1:0"));
    let other: SocketAddr = ([127, 0, 0, 2], server.address().port()).into();
    peer.send_to(b"hello", other).unwrap();
    let received = receive(&mut Inbox::default(), &server);
    assert_eq!(received[0].1, Some(other.ip()));

    let mut outbox = Outbox::default();
    outbox.push(received[0].0, received[0].1, b"one");
    outbox.push(received[0].0, received[0].1, b"two");
    assert_eq!(outbox.flush(&server), Sent { sent: 2, lost: 0 });
    assert_eq!(peer.recv_from(&mut [0; 9]).unwrap().1, other);
    assert_eq!(peer.recv_from(&mut [0; 9]).unwrap().1, other);
}

#[test]
fn ipv6_works_the_same_where_the_machine_has_it() {
    let Ok(peer) = UdpSocket::bind("[::1]:0") else { return };
    for address in ["[::1]:0", "[::]:0"] {
        let server = open(address);
        peer.send_to(b"hello", ("::1", server.address().port())).unwrap();
        let received = receive(&mut Inbox::default(), &server);
        assert_eq!(received[0].0, peer.local_addr().unwrap());
        let mut outbox = Outbox::default();
        outbox.push(received[0].0, received[0].1, b"olleh");
        assert_eq!(outbox.flush(&server), Sent { sent: 1, lost: 0 });
        assert_eq!(peer.recv(&mut [0; 9]).unwrap(), 5);
    }
}

#[test]
fn a_peer_that_is_gone_stops_nothing() {
    let server = open("127.0.0.1:0");
    let gone = gateway("127.0.0.1:0").local_addr().unwrap();
    let mut outbox = Outbox::default();
    for _ in 0..3 {
        outbox.push(gone, None, b"anybody?");
        outbox.flush(&server);
    }
    gateway("127.0.0.1:0").send_to(b"me", server.address()).unwrap();
    let mut inbox = Inbox::default();
    assert_eq!(receive(&mut inbox, &server).len(), 1);
}

#[test]
fn what_cannot_be_sent_is_counted_and_the_rest_is_sent() {
    let (server, peer) = (open("127.0.0.1:0"), gateway("127.0.0.1:0"));
    let mut outbox = Outbox::default();
    // An address of the other family: the kernel refuses it.
    outbox.push("[2001:db8::1]:1812".parse().unwrap(), None, b"there");
    outbox.push("[2001:db8::1]:1812".parse().unwrap(), None, b"there");
    outbox.push(peer.local_addr().unwrap(), None, b"here");
    assert_eq!(outbox.flush(&server), Sent { sent: 1, lost: 2 });
    assert!(outbox.is_empty());
    assert_eq!(peer.recv(&mut [0; 9]).unwrap(), 4);
}

#[test]
fn long_replies_go_alone_and_long_requests_are_cut_to_the_largest_packet() {
    let (server, peer) = (open("127.0.0.1:0"), gateway("127.0.0.1:0"));
    peer.send_to(&[7; 5000], server.address()).unwrap();
    let received = receive(&mut Inbox::default(), &server);
    assert_eq!(received[0].2.len(), MAX_DATAGRAM);
    let mut outbox = Outbox::default();
    outbox.push(received[0].0, None, &received[0].2);
    outbox.push(received[0].0, None, &received[0].2);
    assert_eq!(outbox.flush(&server), Sent { sent: 2, lost: 0 });
    assert_eq!(peer.recv(&mut [0; 5000]).unwrap(), MAX_DATAGRAM);
}

#[test]
fn workers_share_a_port_but_not_with_strangers() {
    let ours = Socket::open_all("127.0.0.1:0".parse().unwrap(), 3).unwrap();
    assert!(ours.iter().all(|socket| socket.address() == ours[0].address()));
    let stranger = Socket::open_all(ours[0].address(), 1).map(|_| ()).unwrap_err();
    assert_eq!(stranger.kind(), std::io::ErrorKind::AddrInUse);

    // With 64 peers, the chance that one of three gets nothing is 3 * (2/3)^64, far below one in a
    // thousand million.
    let peers: Vec<UdpSocket> = (0..64).map(|_| gateway("127.0.0.1:0")).collect();
    for peer in &peers {
        peer.send_to(b"hello", ours[0].address()).unwrap();
    }
    let received: Vec<usize> =
        ours.iter().map(|socket| Inbox::default().receive(socket).unwrap()).collect();
    assert_eq!(received.iter().sum::<usize>(), 64);
}
