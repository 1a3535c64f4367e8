//! Audio and video between participants.

use super::world::*;
use crate::*;

fn sequences(packets: &[Received]) -> Vec<u64> {
    packets.iter().map(|packet| packet.sequence).collect()
}

fn assert_continuous(packets: &[Received]) {
    assert!(packets.len() > 2, "only {} packets", packets.len());
    for pair in packets.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1, "in {:?}", sequences(packets));
        assert!(pair[1].timestamp.wrapping_sub(pair[0].timestamp).cast_signed() > 0, "the timestamp went backwards");
    }
}

#[test]
fn two_people_hear_and_see_each_other() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann, bob], 1000);
    for page in [ann, bob] {
        let sound = world.take(page, |page| page.heard);
        let pictures = world.take(page, |page| page.seen);
        assert_continuous(&sound);
        assert_continuous(&pictures);
        assert!(sound.len() >= 49 && pictures.len() >= 9);
        assert!(sound[0].sequence < 10, "sequence numbers start low: {}", sound[0].sequence);
        assert_eq!(sound[0].payload, 1u64.to_be_bytes());
    }
    assert_eq!(world.sfu.statistics().panics, 0);
    assert!(world.sfu.statistics().forwarded_packets >= 116);
}

#[test]
fn what_is_forwarded_and_what_receivers_report_of_it_is_counted() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann, bob], 3000);
    let statistics = world.sfu.statistics();
    let pictures = [ann, bob].map(|page| world.take(page, |page| page.seen).len() as u64).iter().sum::<u64>();
    assert_eq!(statistics.forwarded_layers, [0, 0, pictures]);
    // Every half second, from each of the two.
    let reports = statistics.round_trips.iter().sum::<u64>();
    assert!((8..=14).contains(&reports), "{statistics:?}");
    assert_eq!(statistics.losses.iter().sum::<u64>(), reports);
    assert_eq!(statistics.losses_sum, 0, "nothing is lost here: {statistics:?}");
}

#[test]
fn the_connection_uses_dtls_12_and_aes_gcm() {
    let (mut world, ann, bob) = World::two();
    let version = world.sfu.peer_mut(PeerId(1)).unwrap().dtls_version();
    assert_eq!(version, Some(str0m::crypto::dtls::ProtocolVersion::DTLS1_2));
    world.pages[bob].sizes.clear();
    world.say(ann);
    world.run(20);
    // The header with its extensions is a multiple of four; the payload has eight bytes. AES-GCM adds a tag of 16
    // bytes, AES-CM with SHA-1 one of 10.
    assert_eq!(world.pages[bob].sizes.len(), 1);
    assert_eq!(world.pages[bob].sizes[0] % 4, 0);
}

#[test]
fn nothing_is_forwarded_before_admission() {
    let mut world = World::new();
    let ann = world.join(1, 1, 2, EVERYTHING);
    let bob = world.join(2, 2, 1, Forwarding { admitted: false, ..EVERYTHING });
    world.run(2000);
    world.talk(&[ann, bob], 500);
    assert!(world.pages.iter().all(|page| page.received.is_empty()));
    world.pages[ann].keyframes_asked = 0;

    world.command(Command::Admit { room: room(), user: user(2), admitted: true });
    world.run(5);
    assert_eq!(world.pages[ann].keyframes_asked, 1, "the video starts immediately");
    world.talk(&[ann, bob], 500);
    for page in [ann, bob] {
        assert_continuous(&world.take(page, |page| page.heard));
        assert_continuous(&world.take(page, |page| page.seen));
    }

    world.command(Command::Admit { room: room(), user: user(2), admitted: false });
    world.forget_media();
    world.talk(&[ann, bob], 500);
    assert!(world.pages.iter().all(|page| page.received.is_empty()));
}

#[test]
fn mute_stops_sound_alone_and_leaves_no_gap() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann], 500);
    let before = world.take(bob, |page| page.heard);
    world.take(bob, |page| page.seen);
    world.command(Command::Publish { room: room(), user: user(1), microphone: false, camera: true });
    world.talk(&[ann], 500);
    assert!(world.take(bob, |page| page.heard).is_empty());
    assert_continuous(&world.take(bob, |page| page.seen));
    world.command(Command::Publish { room: room(), user: user(1), microphone: true, camera: true });
    world.talk(&[ann], 500);
    assert_continuous(&[before, world.take(bob, |page| page.heard)].concat());
}

#[test]
fn camera_off_stops_pictures_alone_and_on_starts_with_a_keyframe() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann], 500);
    let before = world.take(bob, |page| page.seen);
    world.take(bob, |page| page.heard);
    world.command(Command::Publish { room: room(), user: user(1), microphone: true, camera: false });
    world.talk(&[ann], 500);
    assert!(world.take(bob, |page| page.seen).is_empty());
    assert_continuous(&world.take(bob, |page| page.heard));

    world.pages[ann].keyframes_asked = 0;
    world.command(Command::Publish { room: room(), user: user(1), microphone: true, camera: true });
    // Video that was in flight cannot be decoded and is not forwarded.
    world.show(ann, false);
    world.run(50);
    assert!(world.take(bob, |page| page.seen).is_empty());
    assert!(world.pages[ann].keyframes_asked > 0);
    world.talk(&[ann], 500);
    let after = world.take(bob, |page| page.seen);
    assert_eq!(after[0].payload[1], 0, "the video starts with a keyframe");
    assert_continuous(&[before, after].concat());
}

#[test]
fn hop_by_hop_header_extensions_are_made_anew() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann], 100);
    let sound = world.take(bob, |page| page.heard);
    assert!(sound.iter().all(|packet| packet.transport_cc), "packets carry the receiver's transport-wide numbers");
}

#[test]
fn redundancy_is_taken_off_for_a_page_without_it() {
    let mut world = World::new();
    let ann = world.join_over(Transport::Udp, true, 1, 1, 2, EVERYTHING);
    let bob = world.join_over(Transport::Udp, false, 2, 2, 1, EVERYTHING);
    world.run(2000);
    world.talk(&[ann, bob], 200);
    let sound = world.take(bob, |page| page.heard);
    assert_continuous(&sound);
    assert!(sound.iter().all(|packet| packet.pt == 111 && packet.payload.len() == 8));
    assert_continuous(&world.take(ann, |page| page.heard));
}

#[test]
fn receivers_asking_for_keyframes_cause_one_request_in_300_ms() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann], 500);
    world.run(1000);
    world.pages[ann].keyframes_asked = 0;
    let asked = world.sfu.statistics().keyframe_requests;
    for _ in 0..10 {
        let seen = world.pages[bob].seen;
        let mut api = world.pages[bob].rtc.direct_api();
        api.stream_rx_by_mid(seen, None).unwrap().request_keyframe(str0m::media::KeyframeRequestKind::Pli);
        world.run(20);
        world.show(ann, false);
        world.run(10);
    }
    world.run(600);
    let asked = world.sfu.statistics().keyframe_requests - asked;
    assert_eq!(asked, 2, "immediately, and again after the interval");
}

#[test]
fn ice_tcp_works_as_udp_does() {
    let mut world = World::new();
    let ann = world.join_over(Transport::Tcp, true, 1, 1, 2, EVERYTHING);
    let bob = world.join(2, 2, 1, EVERYTHING);
    world.run(2000);
    world.talk(&[ann, bob], 300);
    assert_continuous(&world.take(ann, |page| page.heard));
    assert_continuous(&world.take(bob, |page| page.seen));
}

#[test]
fn an_ice_restart_from_another_address_keeps_the_peer() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann, bob], 300);
    let before = world.take(bob, |page| page.heard);

    let address: std::net::SocketAddr = "203.0.113.7:5000".parse().unwrap();
    world.pages[ann].address = address;
    let candidate = str0m::Candidate::host(address, str0m::net::Protocol::Udp).unwrap();
    world.pages[ann].rtc.add_local_candidate(candidate);
    world.restart(ann, 1, ice(77));
    world.run(3000);
    world.forget_media();
    world.talk(&[ann, bob], 500);
    let after = world.take(bob, |page| page.heard);
    assert_continuous(&after);
    assert!(after[0].sequence > before[before.len() - 1].sequence);
    assert_continuous(&world.take(ann, |page| page.heard));
    assert_eq!(world.gone(1), None);
    assert!(!world.events.contains(&Output::Lost { peer: PeerId(1) }));
}

#[test]
fn a_new_connection_takes_over_when_it_is_up() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann, bob], 300);
    let mut sound = world.take(bob, |page| page.heard);
    let mut pictures = world.take(bob, |page| page.seen);

    let again = world.join(3, 1, 2, EVERYTHING);
    world.pages[again].unplugged = true;
    world.talk(&[ann, bob], 300);
    assert_eq!(world.gone(1), None, "the old connection stays");
    sound.extend(world.take(bob, |page| page.heard));

    world.pages[again].unplugged = false;
    world.run(3000);
    assert!(world.is_up(3));
    assert_eq!(world.gone(1), Some(GoneReason::Replaced));
    assert!(world.pages[ann].closed, "the old page is notified");
    pictures.extend(world.take(bob, |page| page.seen));
    world.talk(&[again, bob], 500);
    sound.extend(world.take(bob, |page| page.heard));
    pictures.extend(world.take(bob, |page| page.seen));
    assert_continuous(&sound);
    assert_continuous(&pictures);
    assert_continuous(&world.take(again, |page| page.heard));
}

#[test]
fn a_lost_connection_that_is_back_before_its_successor_goes_on() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann, bob], 300);
    world.pages[ann].unplugged = true;
    world.run(6000);
    assert!(world.events.contains(&Output::Lost { peer: PeerId(1) }));
    let again = world.join(3, 1, 2, EVERYTHING);
    world.pages[again].unplugged = true;
    world.run(100);
    world.pages[ann].unplugged = false;
    world.talk(&[ann, bob], 3000);
    world.forget_media();
    world.talk(&[ann, bob], 300);
    assert!(!world.take(bob, |page| page.heard).is_empty());
    assert!(!world.take(ann, |page| page.heard).is_empty());
    world.talk(&[ann, bob], 31_000);
    assert_eq!((world.gone(3), world.gone(1)), (Some(GoneReason::NeverCame), None));
}

#[test]
fn a_new_connection_takes_away_but_never_adds() {
    let (mut world, _, bob) = World::two();
    world.command(Command::Publish { room: room(), user: user(1), microphone: false, camera: true });
    // The offer was in flight when the microphone was turned off.
    let again = world.join(3, 1, 2, EVERYTHING);
    world.run(2000);
    world.forget_media();
    world.talk(&[again], 500);
    assert!(world.take(bob, |page| page.heard).is_empty());
    assert!(!world.take(bob, |page| page.seen).is_empty());
    world.command(Command::Publish { room: room(), user: user(1), microphone: true, camera: true });
    let muted = Forwarding { microphone: false, ..EVERYTHING };
    let third = world.join(4, 1, 2, muted);
    world.run(2000);
    world.forget_media();
    world.talk(&[third], 500);
    assert!(world.take(bob, |page| page.heard).is_empty());
}

#[test]
fn a_connection_that_is_not_up_is_replaced_at_once() {
    let mut world = World::new();
    let ann = world.join(1, 1, 2, EVERYTHING);
    world.pages[ann].unplugged = true;
    world.run(100);
    world.join(3, 1, 2, EVERYTHING);
    assert_eq!(world.gone(1), Some(GoneReason::Replaced));
    world.run(2000);
    assert!(world.is_up(3));
}

#[test]
fn a_newer_connection_counts_once_the_page_is_heard_on_it() {
    let (mut world, ann, bob) = World::two();
    let again = world.join(3, 1, 2, EVERYTHING);
    world.forget_media();
    world.talk(&[ann], 2000);
    assert_eq!(world.gone(1), None, "the page may not know yet that the newer connection is up");
    assert!(!world.take(bob, |page| page.heard).is_empty());
    world.talk(&[again], 100);
    assert_eq!(world.gone(1), Some(GoneReason::Replaced));
    world.forget_media();
    world.talk(&[again], 500);
    assert!(!world.take(bob, |page| page.heard).is_empty());
}

#[test]
fn a_newer_connection_that_the_page_gave_up_does_not_take_over() {
    let (mut world, ann, bob) = World::two();
    let again = world.join(3, 1, 2, EVERYTHING);
    world.talk(&[ann], 2000);
    world.pages[again].unplugged = true;
    world.talk(&[ann], 500);
    world.pages[ann].unplugged = true;
    world.talk(&[bob], 500);
    world.pages[ann].unplugged = false;
    assert_eq!(world.gone(1), None, "a moment of silence does not switch connections");
    world.forget_media();
    world.talk(&[ann], 500);
    assert!(!world.take(bob, |page| page.heard).is_empty());
}

#[test]
fn leaving_ends_the_media_and_frees_everything() {
    let (mut world, ann, bob) = World::two();
    world.command(Command::Leave { peer: PeerId(1) });
    world.forget_media();
    world.talk(&[bob], 300);
    assert_eq!(world.gone(1), Some(GoneReason::Left));
    assert!(world.pages[ann].closed);
    assert!(world.pages[ann].received.is_empty());
    world.command(Command::Leave { peer: PeerId(2) });
    world.run(10);
    let statistics = world.sfu.statistics();
    assert_eq!((statistics.peers, statistics.rooms), (0, 0));
    assert_eq!(world.sfu.addresses(), 0);
}

#[test]
fn after_a_gap_pictures_start_over_both_ways_as_soon_as_the_page_is_heard_again() {
    let (mut world, ann, bob) = World::two();
    let asked_after = |world: &mut World, cut: u64| {
        world.talk(&[ann, bob], 1000);
        world.pages[bob].unplugged = true;
        world.talk(&[ann, bob], cut);
        world.pages[bob].unplugged = false;
        let asked = world.sfu.statistics().keyframe_requests;
        world.talk(&[ann, bob], 500);
        world.sfu.statistics().keyframe_requests - asked
    };
    assert_eq!(asked_after(&mut world, 200), 0, "missing packets are retransmitted");
    assert_eq!(asked_after(&mut world, 1000), 2, "for the video it receives and the video it sends");
}

#[test]
fn a_silent_connection_is_reported_and_finally_closed() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann, bob], 100);
    world.pages[ann].unplugged = true;
    world.run(3900);
    assert!(!world.events.contains(&Output::Lost { peer: PeerId(1) }));
    world.run(200);
    assert!(world.events.contains(&Output::Lost { peer: PeerId(1) }));
    world.run(5000);

    world.events.clear();
    world.pages[ann].unplugged = false;
    world.run(5000);
    assert!(world.is_up(1), "the connection is up again");
    world.forget_media();
    world.talk(&[ann, bob], 300);
    assert!(!world.take(bob, |page| page.heard).is_empty());

    world.pages[ann].unplugged = true;
    world.run(33_000);
    assert_eq!(world.gone(1), None);
    world.run(2000);
    assert_eq!(world.gone(1), Some(GoneReason::TimedOut));
    assert_eq!(world.gone(2), None);
}

#[test]
fn a_connection_that_never_comes_is_given_up() {
    let mut world = World::new();
    let ann = world.join(1, 1, 2, EVERYTHING);
    world.pages[ann].unplugged = true;
    world.run(29_900);
    assert_eq!(world.gone(1), None);
    world.run(200);
    assert_eq!(world.gone(1), Some(GoneReason::NeverCame));
}

#[test]
fn chromium_is_answered_with_what_it_needs() {
    let mut world = World::new();
    world.command(Command::Join(Box::new(Join {
        peer: PeerId(1),
        room: room(),
        user: user(1),
        others: vec![user(2)],
        offer: include_str!("../../tests/offers/chromium-two.sdp").to_owned(),
        ice: ice(1),
        forwarding: EVERYTHING,
    })));
    world.settle();
    let [Output::Answered { sdp, tracks, .. }] = world.events.as_slice() else { panic!("{:?}", world.events) };
    assert_eq!(*tracks, [("2".to_owned(), user(2)), ("3".to_owned(), user(2))]);
    let sections: Vec<&str> = sdp.split("m=").skip(1).collect();
    assert!(sections[0].starts_with("audio 9 UDP/TLS/RTP/SAVPF 63 111\r\n"), "redundancy first: {}", sections[0]);
    assert!(sections[1].starts_with("video 9 UDP/TLS/RTP/SAVPF 96 97\r\n"), "{}", sections[1]);
    for (section, direction) in sections.iter().zip(["recvonly", "recvonly", "sendonly", "sendonly"]) {
        assert!(section.contains(&format!("a={direction}\r\n")), "{section}");
        assert!(section.contains("a=setup:passive\r\n"));
        assert!(section.contains("a=rtcp-mux\r\n"));
        assert!(section.contains("a=fingerprint:sha-256 "));
        assert!(section.contains("transport-wide-cc-extensions-01\r\n"));
    }
    for line in ["a=fmtp:63 111/111", "a=rtcp-fb:111 transport-cc"] {
        assert!(sections[0].contains(line), "{line} in {}", sections[0]);
    }
    for line in ["a=rtcp-fb:96 nack pli", "a=rtcp-fb:96 nack\r\n", "a=rtcp-fb:96 transport-cc", "a=fmtp:97 apt=96"] {
        assert!(sections[1].contains(line) && sections[3].contains(line), "{line}");
    }
    let stream = format!("a=msid:{} ", user(2));
    assert!(sections[2].contains(&stream) && sections[3].contains(&stream), "one stream per user");
    assert!(sdp.contains("a=ice-lite\r\n") && sdp.contains("a=group:BUNDLE 0 1 2 3\r\n"));
    assert!(sdp.contains("192.0.2.1 50000 typ host"));
    assert!(sdp.contains("tcptype passive"));
}

#[test]
fn lost_pictures_are_sent_again() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann, bob], 500);
    world.forget_media();
    world.pages[ann].loss = Some(13);
    world.pages[bob].loss = Some(11);
    world.talk(&[ann, bob], 5000);
    world.pages[ann].loss = None;
    world.pages[bob].loss = None;
    world.talk(&[ann, bob], 500);
    for page in [ann, bob] {
        let mut pictures = world.take(page, |page| page.seen);
        pictures.sort_by_key(|packet| packet.sequence);
        assert_continuous(&pictures);
        assert!(pictures.len() >= 54);
    }
}

#[test]
fn media_follows_when_a_nat_gives_the_page_another_address() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann, bob], 1000);
    world.pages[ann].outside = Some("203.0.113.8:6000".parse().unwrap());
    world.talk(&[ann, bob], 4000);
    world.forget_media();
    world.talk(&[ann, bob], 500);
    assert_continuous(&world.take(ann, |page| page.heard));
    assert_continuous(&world.take(bob, |page| page.heard));
}

/// Firefox ignores it and would display rotated video sideways. Without it the sender rotates the video.
#[test]
fn no_answer_takes_video_orientation() {
    let mut world = World::new();
    let offers = [
        include_str!("../../tests/offers/chromium-two.sdp"),
        include_str!("../../tests/offers/chromium-nine.sdp"),
        include_str!("../../tests/offers/chromium-layers.sdp"),
    ];
    for (id, offer) in (1..).zip(offers) {
        assert!(offer.contains("urn:3gpp:video-orientation"));
        world.command(Command::Join(Box::new(Join {
            peer: PeerId(id),
            room: world.room,
            user: user(id.into()),
            others: vec![user(99)],
            offer: offer.to_owned(),
            ice: ice(id),
            forwarding: EVERYTHING,
        })));
    }
    world.settle();
    let answers = world.events.iter().filter_map(|event| match event {
        Output::Answered { sdp, .. } => Some(sdp),
        _ => None,
    });
    let answers: Vec<_> = answers.collect();
    assert_eq!(answers.len(), 3);
    for sdp in answers {
        assert!(!sdp.contains("video-orientation"), "{sdp}");
        assert!(sdp.contains("transport-wide-cc") && sdp.contains("sdes:mid") && sdp.contains("ssrc-audio-level"));
    }
}

/// 1,200 bytes minus the headers of IPv4 and UDP.
const SMALLEST_NETWORK: usize = 1200 - 28;

#[test]
fn what_the_server_makes_itself_fits_the_smallest_network() {
    let (mut world, ann, bob) = World::two();
    world.pages[ann].loss = Some(4);
    world.talk(&[ann, bob], 5000);
    for page in [ann, bob] {
        let largest = world.pages[page].largest_control;
        assert!((300..=SMALLEST_NETWORK).contains(&largest), "{largest} bytes");
    }
}
