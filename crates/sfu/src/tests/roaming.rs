//! NAT rebinding of a page's address, and attackers who simulate one.

use std::net::SocketAddr;

use super::world::*;
use crate::*;

const ELSEWHERE: &str = "203.0.113.8:6000";

fn elsewhere() -> SocketAddr {
    ELSEWHERE.parse().unwrap()
}

/// Two users in a call, and the next audio packet of the first one, captured instead of delivered.
fn with_a_captured_packet() -> (World, usize, usize, Vec<u8>) {
    captured_after(1000)
}

/// The first packets of a stream carry its mid.
fn captured_after(ms: u64) -> (World, usize, usize, Vec<u8>) {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann, bob], ms);
    world.pages[ann].captured = Some(Vec::new());
    world.say(ann);
    world.settle();
    let captured = world.pages[ann].captured.take().unwrap();
    let packet = captured.into_iter().find(|datagram| datagram[0] >= 128 && !(192..224).contains(&datagram[1]));
    (world, ann, bob, packet.unwrap())
}

/// Returns whether something for page `ann` was sent to the address.
fn sent_to(world: &World, address: SocketAddr) -> bool {
    world.stray.iter().any(|transmit| transmit.destination == address)
}

#[test]
fn media_follows_at_once_when_a_nat_gives_the_page_another_address() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann, bob], 1000);
    world.pages[ann].outside = Some(elsewhere());
    world.talk(&[ann, bob], 200);
    world.forget_media();
    world.talk(&[ann, bob], 300);
    for page in [ann, bob] {
        let heard = world.take(page, |page| page.heard).len();
        assert!(heard >= 14, "{heard} packets");
    }
    assert_eq!(world.sfu.statistics().moves, 1);
    world.talk(&[ann, bob], 20_000);
    world.forget_media();
    world.talk(&[ann, bob], 300);
    assert!(world.take(ann, |page| page.heard).len() >= 14, "also after its STUN checks");
    assert_eq!(world.sfu.statistics().moves, 1);
}

#[test]
fn a_nat_that_forgets_again_and_again_is_followed() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann, bob], 1000);
    for turn in 0..6u16 {
        world.pages[ann].outside = Some(SocketAddr::new(elsewhere().ip(), 7000 + turn));
        world.talk(&[ann, bob], 1300);
        world.forget_media();
        world.talk(&[ann, bob], 200);
        assert!(!world.take(ann, |page| page.heard).is_empty(), "turn {turn}");
    }
    assert!(world.sfu.addresses() <= 2 * Limits::default().addresses_per_peer);
}

#[test]
fn a_forged_stream_from_the_pages_own_address_does_not_put_the_pages_out() {
    let (mut world, ann, bob, mut packet) = captured_after(0);
    world.talk(&[ann, bob], 5000);
    packet[11] ^= 1;
    let own = world.pages[ann].address.to_string();
    world.datagram_from(&own, &packet);
    world.forget_media();
    world.talk(&[ann, bob], 300);
    assert!(world.take(bob, |page| page.heard).len() >= 14);
}

#[test]
fn a_forged_packet_moves_nothing() {
    let (mut world, ann, bob, mut packet) = with_a_captured_packet();
    world.pages[ann].unplugged = true;
    world.talk(&[bob], 200);
    let last = packet.len() - 1;
    packet[last] ^= 1;
    let before = world.sfu.statistics().dropped_unknown_source;
    for _ in 0..100 {
        world.datagram_from(ELSEWHERE, &packet);
    }
    world.talk(&[bob], 200);
    assert!(!sent_to(&world, elsewhere()));
    let statistics = world.sfu.statistics();
    assert_eq!((statistics.moves, statistics.dropped_unknown_source - before), (0, 100));
}

#[test]
fn a_replayed_packet_moves_nothing() {
    let (mut world, ann, bob, packet) = with_a_captured_packet();
    let own = world.pages[ann].address.to_string();
    world.datagram_from(&own, &packet);
    world.pages[ann].unplugged = true;
    world.talk(&[bob], 200);
    world.datagram_from(ELSEWHERE, &packet);
    world.talk(&[bob], 200);
    assert!(!sent_to(&world, elsewhere()));
}

#[test]
fn a_held_back_packet_moves_nothing() {
    let (mut world, ann, bob, packet) = with_a_captured_packet();
    world.talk(&[ann, bob], 100);
    world.pages[ann].unplugged = true;
    world.talk(&[bob], 200);
    world.datagram_from(ELSEWHERE, &packet);
    world.talk(&[bob], 200);
    assert!(!sent_to(&world, elsewhere()), "newer packets have arrived from the page since");
}

#[test]
fn a_page_that_still_speaks_is_not_moved() {
    let (mut world, ann, bob, packet) = with_a_captured_packet();
    world.talk(&[bob], 20);
    world.datagram_from(ELSEWHERE, &packet);
    world.talk(&[ann, bob], 200);
    assert!(!sent_to(&world, elsewhere()));
    assert_eq!(world.sfu.statistics().moves, 0);
}

#[test]
fn a_page_that_speaks_again_is_moved_back_at_once() {
    let (mut world, ann, bob, packet) = with_a_captured_packet();
    world.pages[ann].unplugged = true;
    world.talk(&[bob], 100);
    world.datagram_from(ELSEWHERE, &packet);
    world.talk(&[bob], 40);
    assert!(sent_to(&world, elsewhere()), "a copy that arrives earlier wins briefly");
    world.pages[ann].unplugged = false;
    world.say(ann);
    world.settle();
    world.stray.clear();
    world.forget_media();
    world.talk(&[ann, bob], 300);
    assert!(!sent_to(&world, elsewhere()));
    assert!(world.take(ann, |page| page.heard).len() >= 14);
}

#[test]
fn an_address_that_no_check_proves_is_given_up() {
    let (mut world, ann, bob, packet) = with_a_captured_packet();
    world.pages[ann].unplugged = true;
    world.talk(&[bob], 100);
    world.datagram_from(ELSEWHERE, &packet);
    world.talk(&[bob], 40);
    assert!(sent_to(&world, elsewhere()));
    let entries = world.sfu.addresses();
    world.talk(&[bob], 5000);
    assert_eq!(world.sfu.addresses(), entries - 1);
    world.stray.clear();
    world.talk(&[bob], 500);
    assert!(!sent_to(&world, elsewhere()));
}

#[test]
fn an_address_on_probation_is_not_flooded_with_pictures() {
    let (mut world, ann, bob, packet) = with_a_captured_packet();
    world.pages[ann].unplugged = true;
    world.talk(&[bob], 100);
    world.datagram_from(ELSEWHERE, &packet);
    for _ in 0..600 {
        world.show_large(bob, 1000);
        world.run(5);
    }
    let bytes: usize = world.stray.iter().map(|transmit| transmit.contents.len()).sum();
    assert!((200_000..300_000).contains(&bytes), "{bytes} bytes");
}

#[test]
fn dtls_from_an_address_on_probation_is_dropped() {
    let (mut world, ann, bob, packet) = with_a_captured_packet();
    world.pages[ann].unplugged = true;
    world.talk(&[bob], 100);
    world.datagram_from(ELSEWHERE, &packet);
    let before = world.sfu.statistics().dropped_unknown_source;
    world.datagram_from(ELSEWHERE, &[&[22, 254, 253][..], &[0; 60]].concat());
    assert_eq!(world.sfu.statistics().dropped_unknown_source, before + 1);
}

/// Captures a STUN check from the first page, which is valid from any address.
fn captured_check(world: &mut World, ann: usize, bob: usize) -> Vec<u8> {
    world.pages[ann].captured = Some(Vec::new());
    let check = loop {
        world.talk(&[bob], 100);
        let captured = world.pages[ann].captured.as_ref().unwrap();
        if let Some(check) = captured.iter().find(|datagram| datagram[..2] == [0, 1]) {
            break check.clone();
        }
    };
    world.pages[ann].captured = None;
    check
}

/// A participant knows the password used for checks and can spoof one from another host's address.
#[test]
fn an_address_that_only_checks_come_from_gets_little_and_not_for_long() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann, bob], 1000);
    let check = captured_check(&mut world, ann, bob);
    world.pages[ann].unplugged = true;
    world.run(1500);
    for step in 0..4000 {
        if step % 100 == 0 {
            world.datagram_from(ELSEWHERE, &check);
        }
        world.show_large(bob, 1000);
        if step % 4 == 0 {
            world.say(bob);
        }
        world.run(5);
    }
    assert!(sent_to(&world, elsewhere()), "a check may be the first packet on a new path");
    let media = world.stray.iter().filter(|transmit| transmit.contents[0] >= 128);
    let bytes: usize = media.map(|transmit| transmit.contents.len()).sum();
    assert!(bytes < 100_000, "{bytes} bytes");
}

#[test]
fn a_page_whose_check_comes_before_its_media_is_followed() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann, bob], 1000);
    let check = captured_check(&mut world, ann, bob);
    world.pages[ann].unplugged = true;
    world.run(1500);
    world.datagram_from(ELSEWHERE, &check);
    world.show_large(bob, 1000);
    world.settle();
    assert!(sent_to(&world, elsewhere()), "at once");
    world.pages[ann].unplugged = false;
    world.pages[ann].outside = Some(elsewhere());
    world.talk(&[ann, bob], 100);
    world.forget_media();
    for _ in 0..200 {
        world.say(ann);
        world.show_large(bob, 1000);
        world.run(20);
    }
    assert!(world.take(ann, |page| page.seen).len() > 150, "200 kB exceed the limit of an address on probation");
}
