//! Fuzzes the SDP policy: an accepted offer is answered by str0m, and the same offer renegotiates.
//!
//! Input: the offer.

use bedside_sfu::{Command, Input, Output, PeerId, Refusal};

use crate::wire::{ice, join, output_events, server, start};

/// Runs one input.
///
/// # Panics
///
/// If an invariant is violated.
pub fn run(input: &[u8]) {
    let Ok(offer) = std::str::from_utf8(input) else { return };
    let mut sfu = server();
    let mut now = start();
    sfu.handle_input(now, Input::Command(join(1, 1, 2, offer.to_owned())));
    let events = output_events(&mut sfu);
    let first = match events.as_slice() {
        [Output::Refused { .. }] => {
            assert_eq!(sfu.statistics().peers, 0, "a refused offer leaves no peer");
            assert_eq!(sfu.statistics().rooms, 0);
            return;
        }
        [Output::Answered { sdp, tracks, .. }] => {
            check_answer(offer, sdp, 1);
            assert!(tracks.len() <= 2, "one other participant: audio and video");
            sdp.clone()
        }
        other => panic!("an offer is answered or refused, once: {other:?}"),
    };

    // The same offer again does not restart ICE, so the server's credentials stay.
    let again = Command::Renegotiate { peer: PeerId(1), offer: offer.to_owned(), ice: ice(2) };
    sfu.handle_input(now, Input::Command(again));
    match output_events(&mut sfu).as_slice() {
        [Output::Answered { sdp, .. }] => {
            check_answer(offer, sdp, 1);
            assert_eq!(sections(&first), sections(sdp), "a second answer has the same sections");
        }
        // str0m may reject a repeated offer. The connection then ends, and the page connects again.
        [Output::Refused { why: Refusal::Unanswerable, .. }, Output::Gone { .. }] => return,
        other => panic!("an offer is answered or refused, once: {other:?}"),
    }

    // A peer that never connects is removed.
    for _ in 0..1000 {
        let Some(deadline) = sfu.next_deadline() else { break };
        now = now.max(deadline);
        sfu.handle_input(now, Input::Timeout);
        output_events(&mut sfu);
    }
    assert_eq!((sfu.statistics().peers, sfu.statistics().rooms), (0, 0), "peers that never connect are removed");
    assert_eq!(sfu.statistics().panics, 0);
}

fn check_answer(offer: &str, answer: &str, credentials: u64) {
    assert_eq!(sections(offer), sections(answer), "an answer has the offer's sections");
    assert!(answer.contains("a=ice-lite"));
    assert!(answer.contains("a=setup:passive"), "the server is the DTLS server");
    assert!(answer.contains("a=fingerprint:sha-256 "));
    for line in answer.lines() {
        if let Some(ufrag) = line.strip_prefix("a=ice-ufrag:") {
            assert_eq!(ufrag, ice(credentials).ufrag);
        }
        assert!(!line.chars().any(char::is_control), "no injected line breaks");
    }
}

/// Returns the kind of each media section.
fn sections(sdp: &str) -> Vec<&str> {
    sdp.lines().filter_map(|line| line.strip_prefix("m=")?.split(' ').next()).collect()
}
