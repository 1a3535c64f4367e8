//! The SDP policy and what stands behind it: an offer that passes is answered by str0m, and the same
//! offer renegotiates.
//!
//! Input: the offer.

use bedside_sfu::{Command, Input, Output, PeerId, Refusal};

use crate::wire::{ice, join, output_events, server, start};

/// One input.
///
/// # Panics
///
/// When something that must always hold does not.
pub fn run(input: &[u8]) {
    let Ok(offer) = std::str::from_utf8(input) else { return };
    let mut sfu = server();
    let mut now = start();
    sfu.handle_input(now, Input::Command(join(1, 1, 2, offer.to_owned())));
    let events = output_events(&mut sfu);
    let first = match events.as_slice() {
        [Output::Refused { .. }] => {
            assert_eq!(sfu.statistics().peers, 0, "who was refused holds nothing");
            assert_eq!(sfu.statistics().rooms, 0);
            return;
        }
        [Output::Answered { sdp, tracks, .. }] => {
            check_answer(offer, sdp, 1);
            assert!(tracks.len() <= 2, "one other person: a sound and a picture");
            sdp.clone()
        }
        other => panic!("an offer is answered or refused, once: {other:?}"),
    };

    // The same offer again is no ICE restart: our credentials stay.
    let again = Command::Renegotiate { peer: PeerId(1), offer: offer.to_owned(), ice: ice(2) };
    sfu.handle_input(now, Input::Command(again));
    match output_events(&mut sfu).as_slice() {
        [Output::Answered { sdp, .. }] => {
            check_answer(offer, sdp, 1);
            assert_eq!(sections(&first), sections(sdp), "an answer keeps its sections");
        }
        // str0m may not take an offer twice; then the connection is given up, and the page comes anew.
        [Output::Refused { why: Refusal::Unanswerable, .. }, Output::Gone { .. }] => return,
        other => panic!("an offer is answered or refused, once: {other:?}"),
    }

    // Whoever never comes is forgotten.
    for _ in 0..1000 {
        let Some(deadline) = sfu.next_deadline() else { break };
        now = now.max(deadline);
        sfu.handle_input(now, Input::Timeout);
        output_events(&mut sfu);
    }
    assert_eq!((sfu.statistics().peers, sfu.statistics().rooms), (0, 0), "nobody is held for ever");
    assert_eq!(sfu.statistics().panics, 0);
}

fn check_answer(offer: &str, answer: &str, credentials: u64) {
    assert_eq!(sections(offer), sections(answer), "an answer has the offer's sections");
    assert!(answer.contains("a=ice-lite"));
    assert!(answer.contains("a=setup:passive"), "we are the DTLS server");
    assert!(answer.contains("a=fingerprint:sha-256 "));
    for line in answer.lines() {
        if let Some(ufrag) = line.strip_prefix("a=ice-ufrag:") {
            assert_eq!(ufrag, ice(credentials).ufrag);
        }
        assert!(!line.chars().any(char::is_control), "no line breaks are smuggled in");
    }
}

/// The kind of each media section.
fn sections(sdp: &str) -> Vec<&str> {
    sdp.lines().filter_map(|line| line.strip_prefix("m=")?.split(' ').next()).collect()
}
