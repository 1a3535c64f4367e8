//! Simulcast: which layers receivers get, and which are requested of publishers.

use Layer::{Full, Half, Quarter};
use bedside_visit::Layer;

use super::PATH;
use super::company::*;
use super::world::*;
use crate::*;

#[test]
fn everyone_gets_the_largest_where_there_is_room_and_can_decode_all_of_it() {
    let mut company = Company::three();
    company.talk(6000);
    for (receiver, publisher) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
        let seen = company.seen(receiver, publisher);
        assert_decodable(&seen);
        assert_eq!(seen.first().map(|seen| seen.layer), Some(Quarter), "it starts with the smallest");
        assert_eq!(seen.last().map(|seen| seen.layer), Some(Full));
    }
    for guest in 0..3 {
        assert_eq!(company.sends(guest), [Full], "the others are no longer used");
    }
    assert_eq!(company.world.sfu.statistics().panics, 0);
}

#[test]
fn a_narrow_receiver_gets_small_pictures_and_a_wide_one_large_ones() {
    let mut company = Company::three();
    company.narrow(1, Some(700_000));
    company.talk(20_000);
    let seen = company.seen(2, 0);
    assert_decodable(&seen);
    assert_eq!(company.layers(2, 0, 2000), [Full]);
    let (mut narrow, mut wide) = (0, 0);
    for _ in 0..10 {
        // Upgrades are tried from time to time.
        let small = company.layers(1, 0, 1000) == [Quarter] || company.layers(1, 2, 1000) == [Quarter];
        narrow += usize::from(small);
        wide += usize::from(company.layers(2, 0, 1000) == [Full]);
    }
    assert!(narrow >= 8, "{narrow}");
    assert_eq!(wide, 10);
    assert!(company.sends(0).contains(&Full) && company.sends(0).len() > 1, "{:?}", company.sends(0));
}

#[test]
fn when_the_network_widens_the_largest_comes_back() {
    let mut company = Company::three();
    company.narrow(1, Some(700_000));
    company.talk(12_000);
    assert_ne!(company.layers(1, 0, 500), [Full]);
    company.narrow(1, None);
    company.talk(40_000);
    assert_eq!(company.layers(1, 0, 1000), [Full]);
    assert_eq!(company.layers(1, 2, 1000), [Full]);
}

#[test]
fn unused_layers_are_paused_and_resumed() {
    let mut company = Company::three();
    company.watch(1, &[(0, Some(Quarter))]);
    company.watch(2, &[(0, Some(Quarter))]);
    company.talk(6000);
    assert_eq!(company.sends(0), [Quarter]);
    assert_eq!(company.sends(1), [Full]);
    company.seen(1, 0);
    company.watch(1, &[(0, Some(Full))]);
    company.talk(3000);
    let seen = company.seen(1, 0);
    assert_decodable(&seen);
    assert_eq!(seen.last().map(|seen| seen.layer), Some(Full));
    assert_eq!(company.sends(0), [Quarter, Full], "the other receiver still shows a small video");
    assert_eq!(company.layers(2, 0, 1000), [Quarter]);
    company.watch(1, &[(0, None)]);
    company.watch(2, &[(0, None)]);
    company.talk(3000);
    assert_eq!(company.sends(0), [Quarter], "it keeps the path alive");
    assert_eq!(company.layers(1, 0, 500), []);
    let told = company.guests[0].told.len();
    company.talk(4000);
    assert_eq!(company.guests[0].told.len(), told, "a request that was followed is not repeated");
}

#[test]
fn a_camera_that_comes_back_is_seen_at_once() {
    let mut company = Company::three();
    company.talk(5000);
    let publish = |camera| Command::Publish { room: room(), user: user(1), microphone: true, camera };
    company.world.command(publish(false));
    company.seen(1, 0);
    company.talk(8000);
    assert_eq!(company.seen(1, 0), []);
    company.world.command(publish(true));
    company.talk(400);
    let seen = company.seen(1, 0);
    assert!(!seen.is_empty());
    company.talk(4000);
    let seen = [seen, company.seen(1, 0)].concat();
    assert_decodable(&seen);
    assert_eq!(seen.last().map(|seen| seen.layer), Some(Full));
}

#[test]
fn many_requests_for_keyframes_are_one_for_each_layer_in_300_ms() {
    let mut company = Company::of(&[&Layer::ALL[..]; 5]);
    company.watch(1, &[(0, Some(Quarter))]);
    company.watch(2, &[(0, Some(Quarter))]);
    company.talk(8000);
    assert_eq!(company.sends(0), [Quarter, Full]);
    let page = company.guests[0].page;
    company.world.pages[page].keyframes_of.clear();
    let mut asked = Vec::new();
    for _ in 0..25 {
        for receiver in 1..5 {
            let (page, mid) = (company.guests[receiver].page, 0);
            let page = &mut company.world.pages[page];
            let seen = page.slots[mid].1;
            let mut api = page.rtc.direct_api();
            api.stream_rx_by_mid(seen, None).unwrap().request_keyframe(str0m::media::KeyframeRequestKind::Pli);
            page.deadline = company.world.now;
        }
        company.world.run(20);
        asked.append(&mut company.world.pages[page].keyframes_of);
    }
    let of = |layer: Layer| asked.iter().filter(|rid| rid.is_some_and(|rid| *rid == *layer.rid())).count();
    assert_eq!((of(Quarter), of(Half), of(Full)), (2, 0, 2), "in 500 ms, of the layers shown: {asked:?}");
}

#[test]
fn pictures_of_one_size_go_to_company_as_they_are() {
    let mut company = Company::of(&[&[], &Layer::ALL, &[Half, Full]]);
    company.talk(6000);
    for receiver in [1, 2] {
        let seen = company.seen(receiver, 0);
        assert_decodable(&seen);
        assert!(seen.iter().all(|seen| seen.layer == Full));
    }
    let seen = company.seen(0, 2);
    assert_decodable(&seen);
    assert_eq!((seen[0].layer, seen[seen.len() - 1].layer), (Half, Full));
    assert_eq!(company.guests[0].told.len(), 0);
}

#[test]
fn the_speaker_is_told_and_comes_first() {
    let mut company = Company::three();
    company.talk(1000);
    assert_eq!(company.spoke, []);
    company.guests[2].level = SPEAKS;
    company.talk(2000);
    assert_eq!(company.spoke, [Some(3)]);
    company.guests[2].level = IS_QUIET;
    company.guests[1].level = SPEAKS;
    company.talk(2500);
    assert_eq!(company.spoke, [Some(3), Some(2)]);
    company.world.command(Command::Publish { room: room(), user: user(2), microphone: false, camera: true });
    company.talk(500);
    assert_eq!(company.spoke, [Some(3), Some(2), None], "muted audio does not count");
    company.guests[2].level = SPEAKS;
    company.talk(2000);
    company.narrow(0, Some(1_000_000));
    company.talk(15_000);
    let (mut speaker, mut other) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        speaker.extend(company.layers(0, 2, 1000));
        other.extend(company.layers(0, 1, 1000));
    }
    assert!(speaker.iter().max() > other.iter().min(), "{speaker:?} {other:?}");
    company.world.command(Command::Leave { peer: PeerId(2) });
    company.talk(500);
    assert_eq!(company.spoke.last(), Some(&None), "no active speaker with two participants");
}

#[test]
fn two_participants_have_no_active_speaker() {
    let mut company = Company::of(&[&[], &[]]);
    company.guests[0].level = SPEAKS;
    company.talk(3000);
    assert_eq!(company.spoke, []);
    assert!(company.guests.iter().all(|guest| guest.told.is_empty()));
}

#[test]
fn what_is_lost_of_a_layer_is_sent_again() {
    let mut company = Company::three();
    company.talk(5000);
    let publisher = company.guests[0].page;
    let receiver = company.guests[1].page;
    company.seen(1, 0);
    (company.world.pages[publisher].loss, company.world.pages[receiver].loss) = (Some(13), Some(17));
    company.talk(5000);
    (company.world.pages[publisher].loss, company.world.pages[receiver].loss) = (None, None);
    company.talk(500);
    let mut seen = company.seen(1, 0);
    seen.sort_by_key(|seen| seen.sequence);
    assert_decodable(&seen);
    assert!(seen.len() > 800, "{}", seen.len());
    assert!(seen.iter().all(|seen| seen.layer == Full));
}

#[test]
fn a_new_connection_of_a_publisher_goes_on_in_the_same_pictures() {
    let mut company = Company::three();
    company.talk(4000);
    let before = company.seen(1, 0);
    let page = company.guests[0].page;
    company.world.pages[page].unplugged = true;
    company.world.run(400);
    company.rejoin(0, 9);
    company.world.run(2000);
    company.talk(4000);
    let seen = [before, company.seen(1, 0)].concat();
    assert_eq!(company.world.gone(1), Some(GoneReason::Replaced));
    let pairs = seen.windows(2).filter(|pair| pair[0].sequence + 1 != pair[1].sequence);
    assert_eq!(pairs.count(), 0, "the numbers are continuous");
    assert_eq!(seen.last().map(|seen| seen.layer), Some(Full));
}

#[test]
fn three_sizes_of_chromium_are_answered_and_its_loudness_is_read() {
    let mut world = World::new();
    world.command(Command::Join(Box::new(Join {
        peer: PeerId(1),
        room: room(),
        user: user(1),
        others: vec![user(2), user(3)],
        offer: include_str!("../../tests/offers/chromium-layers.sdp").to_owned(),
        ice: ice(1),
        forwarding: EVERYTHING,
    })));
    world.settle();
    let [Output::Answered { sdp, .. }] = world.events.as_slice() else { panic!("{:?}", world.events) };
    let sections: Vec<&str> = sdp.split("m=").skip(1).collect();
    assert!(sections[0].contains("urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"));
    for line in ["a=rid:q recv\r\n", "a=rid:h recv\r\n", "a=rid:f recv\r\n", "a=simulcast:recv q;h;f\r\n"] {
        assert!(sections[1].contains(line), "{line} in {}", sections[1]);
    }
    for extension in ["rtp-stream-id", "repaired-rtp-stream-id"] {
        assert!(sections[1].contains(&format!("urn:ietf:params:rtp-hdrext:sdes:{extension}\r\n")), "{extension}");
    }
    assert!(!sections[2..].iter().any(|section| section.contains("simulcast")), "receiving sections have one stream");
}

#[test]
fn a_forged_stream_takes_no_layers_place() {
    if PATH == PacketPath::Str0m {
        // On that path only declared streams are accepted.
        return;
    }
    let mut company = Company::three();
    company.talk(4000);
    let source = company.world.pages[company.guests[0].page].address.to_string();
    for layer in Layer::ALL {
        // An mid and a rid in the header extensions, with str0m's IDs, and an invalid authentication tag.
        let mut forged = vec![0x90, 96, 0, 1, 0, 0, 0, 1, 0xde, 0xad, 0xbe, layer as u8, 0xbe, 0xde, 0, 1];
        forged.extend([0xa0, layer.rid().as_bytes()[0], 0, 0]);
        forged.extend([7; 60]);
        company.world.datagram_from(&source, &forged);
    }
    company.seen(1, 0);
    company.talk(1000);
    let seen = company.seen(1, 0);
    assert_decodable(&seen);
    assert!(seen.iter().all(|seen| seen.layer == Full));
}
