//! Attacks by unauthenticated senders.

use proptest::prelude::*;

use super::world::*;
use crate::*;

fn datagram(world: &mut World, source: &str, contents: &[u8]) {
    let input = Input::Datagram {
        transport: Transport::Udp,
        source: source.parse().unwrap(),
        destination: SERVER_UDP.parse().unwrap(),
        contents,
    };
    world.sfu.handle_input(world.now, input);
}

/// A binding request like that of a page with these credentials, but with an invalid integrity.
fn forged_check(ours: &str) -> Vec<u8> {
    let name = format!("{ours}:them");
    let mut attributes = Vec::new();
    let mut attribute = |kind: u16, value: &[u8]| {
        attributes.extend(kind.to_be_bytes());
        attributes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        attributes.extend(value);
        attributes.resize(attributes.len().next_multiple_of(4), 0);
    };
    attribute(0x0006, name.as_bytes());
    attribute(0x0024, &[0, 0, 1, 0]);
    attribute(0x802a, &[7; 8]);
    attribute(0x0025, &[]);
    attribute(0x0008, &[9; 20]);
    let mut message = vec![0, 1];
    message.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
    message.extend([0x21, 0x12, 0xa4, 0x42]);
    message.extend([5; 12]);
    message.extend(attributes);
    message
}

#[test]
fn a_sha_1_fingerprint_is_refused() {
    let mut world = World::new();
    let (_, offer) = world.page(Transport::Udp, true);
    let sha1 = format!("sha-1 {}", ["AB"; 20].join(":"));
    let offer: String = offer
        .lines()
        .map(|line| {
            if line.starts_with("a=fingerprint") { format!("a=fingerprint:{sha1}\r\n") } else { format!("{line}\r\n") }
        })
        .collect();
    world.command(Command::Join(Box::new(Join {
        peer: PeerId(1),
        room: room(),
        user: user(1),
        others: vec![],
        offer,
        ice: ice(1),
        forwarding: EVERYTHING,
    })));
    world.settle();
    let why = Refusal::Offer(OfferRefusal::Fingerprint);
    assert_eq!(world.events, [Output::Refused { peer: PeerId(1), why }]);
    assert_eq!(world.sfu.statistics().peers, 0);
}

/// RFC 8827, section 6.5: keys must belong to the certificate named in the signalling.
#[test]
fn a_certificate_that_signalling_did_not_name_brings_no_media() {
    let connect = |named: Option<String>| {
        let mut world = World::new();
        let (page, offer) = world.page(Transport::Udp, true);
        let name = |line: &str| match &named {
            Some(named) if line.starts_with("a=fingerprint") => format!("a=fingerprint:{named}\r\n"),
            Some(_) | None => format!("{line}\r\n"),
        };
        world.command(Command::Join(Box::new(Join {
            peer: PeerId(1),
            room: room(),
            user: user(1),
            others: vec![user(2)],
            offer: offer.lines().map(name).collect(),
            ice: ice(1),
            forwarding: EVERYTHING,
        })));
        world.give_answer(page, 1);
        world.run(40_000);
        world
    };
    assert!(connect(None).is_up(1));
    let another = connect(Some(format!("sha-256 {}", ["AB"; 32].join(":"))));
    assert!(!another.is_up(1));
    assert!(another.gone(1).is_some(), "the connection times out");
}

#[test]
fn dtls_and_rtp_from_strangers_are_dropped() {
    let mut world = World::new();
    let ann = world.join(1, 1, 2, EVERYTHING);
    world.pages[ann].unplugged = true;
    // ASVS 17.2.6: a ClientHello that arrives before the page's first check must not win the race.
    let hello = [&[22, 254, 253][..], &[0; 60]].concat();
    datagram(&mut world, "203.0.113.9:9", &hello);
    datagram(&mut world, "203.0.113.9:9", &[0x80; 100]);
    assert_eq!(world.sfu.statistics().dropped_unknown_source, 2);
    assert_eq!(world.sfu.addresses(), 0);
    world.pages[ann].unplugged = false;
    world.run(2000);
    assert!(world.is_up(1));
}

#[test]
fn a_check_with_a_wrong_password_does_not_enter_the_table() {
    let mut world = World::new();
    let ann = world.join(1, 1, 2, EVERYTHING);
    world.pages[ann].unplugged = true;
    datagram(&mut world, "203.0.113.9:9", &forged_check(&ice(1).ufrag));
    datagram(&mut world, "203.0.113.9:9", &forged_check("nobody00"));
    assert_eq!(world.sfu.addresses(), 0);
    assert_eq!(world.sfu.statistics().dropped_unknown_source, 2);
}

#[test]
fn forged_checks_do_not_keep_a_lost_peer_alive() {
    let (mut world, ann, _) = World::two();
    world.pages[ann].unplugged = true;
    for _ in 0..5 {
        let check = forged_check(&ice(1).ufrag);
        datagram(&mut world, "203.0.113.9:9", &check);
        world.run(1000);
    }
    assert!(world.events.contains(&Output::Lost { peer: PeerId(1) }));
}

#[test]
fn a_panic_ends_one_peer_alone() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann, bob], 100);
    world.sfu.peer_mut(PeerId(1)).unwrap().panics_next = true;
    world.pages[ann].unplugged = true;
    world.say(bob);
    world.run(20);
    assert_eq!(world.gone(1), Some(GoneReason::Failed));
    assert_eq!(world.gone(2), None);
    assert_eq!(world.sfu.statistics().panics, 1);

    let again = world.join(3, 1, 2, EVERYTHING);
    world.run(2000);
    world.forget_media();
    world.talk(&[again, bob], 300);
    assert!(!world.take(bob, |page| page.heard).is_empty());
    assert!(!world.take(again, |page| page.seen).is_empty());
}

#[test]
fn a_replayed_or_changed_packet_is_not_forwarded() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann, bob], 300);
    world.pages[ann].captured = Some(Vec::new());
    (0..5).for_each(|_| {
        world.say(ann);
        world.run(20);
    });
    let captured = world.pages[ann].captured.take().unwrap();
    let spoken: Vec<_> = captured.into_iter().filter(|datagram| datagram[0] >= 128 && datagram.len() < 80).collect();
    let source = world.pages[ann].address.to_string();
    world.forget_media();
    for datagram in &spoken {
        for byte in [2, datagram.len() / 2, datagram.len() - 1] {
            let mut changed = datagram.clone();
            changed[byte] ^= 1;
            world.datagram_from(&source, &changed);
        }
    }
    world.run(20);
    assert!(world.take(bob, |page| page.heard).is_empty());
    for _ in 0..3 {
        spoken.iter().for_each(|datagram| world.datagram_from(&source, datagram));
        world.run(20);
    }
    assert_eq!(world.take(bob, |page| page.heard).len(), 5);
}

#[test]
fn unusable_names_and_unknown_peers_are_refused() {
    let mut world = World::new();
    world.join(1, 1, 2, EVERYTHING);
    let (_, offer) = world.page(Transport::Udp, true);
    let join = |peer, ice| Join {
        peer: PeerId(peer),
        room: room(),
        user: user(1),
        others: vec![],
        offer: offer.clone(),
        ice,
        forwarding: EVERYTHING,
    };
    world.events.clear();
    world.command(Command::Join(Box::new(join(1, ice(5)))));
    world.command(Command::Join(Box::new(join(5, ice(1)))));
    let short = IceCredentials { ufrag: "short".to_owned(), ..ice(5) };
    world.command(Command::Join(Box::new(join(5, short))));
    world.command(Command::Renegotiate { peer: PeerId(9), offer: offer.clone(), ice: ice(9) });
    world.settle();
    world.events.retain(|event| matches!(event, Output::Refused { .. }));
    let refused = |peer, why| Output::Refused { peer: PeerId(peer), why };
    assert_eq!(
        world.events,
        [
            refused(1, Refusal::Unusable),
            refused(5, Refusal::Unusable),
            refused(5, Refusal::Unusable),
            refused(9, Refusal::UnknownPeer),
        ]
    );
}

#[test]
fn a_renegotiation_from_another_connection_is_refused_and_harmless() {
    let (mut world, ann, bob) = World::two();
    let (_, other) = world.page(Transport::Udp, true);
    world.events.clear();
    world.command(Command::Renegotiate { peer: PeerId(1), offer: other, ice: ice(9) });
    world.settle();
    let why = Refusal::Offer(OfferRefusal::FingerprintChanged);
    assert_eq!(world.events, [Output::Refused { peer: PeerId(1), why }]);
    world.talk(&[ann, bob], 200);
    assert!(!world.take(bob, |page| page.heard).is_empty());
}

#[test]
fn a_tenth_person_is_refused() {
    let mut world = World::new();
    for number in 1..=9 {
        world.join(number, u128::from(number), 100, EVERYTHING);
    }
    let (_, offer) = world.page(Transport::Udp, true);
    world.command(Command::Join(Box::new(Join {
        peer: PeerId(10),
        room: room(),
        user: user(10),
        others: vec![],
        offer,
        ice: ice(10),
        forwarding: EVERYTHING,
    })));
    world.settle();
    assert!(world.events.contains(&Output::Refused { peer: PeerId(10), why: Refusal::Full }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_datagrams_panic(
        datagrams in prop::collection::vec((any::<bool>(), 0u8..4, prop::collection::vec(any::<u8>(), 0..120)), 1..60)
    ) {
        let (mut world, ann, bob) = World::two();
        let known = world.pages[ann].address.to_string();
        for (stranger, kind, mut bytes) in datagrams {
            if let Some(first) = bytes.first_mut() {
                *first = match kind {
                    0 => 0x80 | (*first & 0x1f),
                    1 => 20 + *first % 6,
                    2 => 0,
                    _ => *first,
                };
            }
            datagram(&mut world, if stranger { "203.0.113.9:9" } else { &known }, &bytes);
        }
        world.settle();
        prop_assert_eq!(world.sfu.statistics().panics, 0);
        world.talk(&[ann, bob], 100);
        prop_assert!(!world.take(bob, |page| page.heard).is_empty());
    }
}
