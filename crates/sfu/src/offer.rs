//! Validates a page's SDP offer before str0m parses it, because offers are untrusted input.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bedside_visit::Layer;
use str0m::change::SdpOffer;
use str0m::media::MediaKind;

/// Chromium's offer with eight other participants has 52 KiB and 1,713 lines.
const MAX_BYTES: usize = 96 * 1024;
const MAX_LINES: usize = 4000;
/// The page's own microphone and camera, and those of eight others.
const MAX_SECTIONS: usize = 2 + 2 * 8;

/// Audio, three video layers and their retransmissions need seven. Some browsers also list streams of receive-only
/// sections.
const MAX_STREAMS: usize = 64;

/// Why an offer was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OfferRefusal {
    /// More bytes, lines or media sections than a Bedside page sends.
    #[error("the offer is too long")]
    TooLong,
    /// Not SDP, or not a browser's SDP.
    #[error("the offer is malformed")]
    Malformed,
    /// No SHA-256 fingerprint, a weaker one, or several different ones (RFC 8122).
    #[error("the certificate fingerprint is missing or weak")]
    Fingerprint,
    /// A renegotiation with another certificate, which would be another connection.
    #[error("the certificate has changed")]
    FingerprintChanged,
    /// Not all sections are in one BUNDLE group (RFC 8843).
    #[error("the sections are not bundled")]
    NotBundled,
    /// RTCP on a separate port.
    #[error("RTCP is not multiplexed")]
    NoRtcpMux,
    /// A data channel, or any section that is neither audio nor video.
    #[error("a section is neither audio nor video")]
    NotMedia,
    /// ICE credentials are missing, malformed or differ between sections.
    #[error("the ICE credentials are missing or malformed")]
    IceCredentials,
    /// The page asks to be the DTLS server.
    #[error("unsupported DTLS role")]
    DtlsRole,
    /// A payload type is out of range or duplicated.
    #[error("a payload type is out of range")]
    PayloadType,
    /// A media section's `a=mid` is missing, malformed or duplicated.
    #[error("a section has no valid mid")]
    Mid,
    /// A section is not `sendonly`, `recvonly` or `inactive`, or two sections send the same kind of media.
    #[error("a section has an unexpected direction")]
    Direction,
    /// Simulcast in a section other than the sent video, or with encodings that a Bedside page does not send.
    #[error("unexpected simulcast encodings")]
    Simulcast,
    /// A renegotiation adds, removes or reorders sections.
    #[error("the sections have changed")]
    SectionsChanged,
}

/// An offer that passed validation.
pub(crate) struct Offer {
    pub(crate) sdp: SdpOffer,
    pub(crate) sections: Vec<Section>,
    /// The page's certificate fingerprint in lower case.
    pub(crate) fingerprint: String,
    /// The streams the page declares (`a=ssrc`, RFC 5576); empty if it declares none.
    pub(crate) streams: Vec<u32>,
    /// Pairs of stream and retransmission stream, if declared (`a=ssrc-group:FID`, RFC 5576).
    pub(crate) repairs: Vec<(u32, u32)>,
}

/// A media section of an offer, from the page's point of view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) mid: String,
    pub(crate) kind: MediaKind,
    pub(crate) direction: SectionDirection,
    /// The simulcast encodings, smallest first; empty if there is one unnamed encoding.
    pub(crate) layers: Vec<Layer>,
}

/// The directions that a page may offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SectionDirection {
    SendOnly,
    RecvOnly,
    Inactive,
}

/// Validates and parses an offer.
pub(crate) fn parse(text: &str) -> Result<Offer, OfferRefusal> {
    if text.len() > MAX_BYTES {
        return Err(OfferRefusal::TooLong);
    }
    if text.chars().any(|c| c.is_control() && c != '\r' && c != '\n') {
        return Err(OfferRefusal::Malformed);
    }
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() > MAX_LINES {
        return Err(OfferRefusal::TooLong);
    }
    let mut blocks = lines.chunk_by(|_, next| !next.starts_with("m="));
    let session = blocks.next().ok_or(OfferRefusal::Malformed)?;
    let blocks: Vec<&[&str]> = blocks.collect();
    if blocks.is_empty() || session.first().is_none_or(|line| *line != "v=0") {
        return Err(OfferRefusal::Malformed);
    }
    if blocks.len() > MAX_SECTIONS {
        return Err(OfferRefusal::TooLong);
    }

    let sections = blocks.iter().map(|block| section(block)).collect::<Result<Vec<_>, _>>()?;
    check_sections(&sections)?;
    check_bundle(session, &sections)?;
    let fingerprint = fingerprint(session, &blocks)?;
    check_transport(session, &blocks)?;

    let mut streams: Vec<u32> = blocks.iter().flat_map(|block| attribute(block, "ssrc")).filter_map(ssrc).collect();
    streams.sort_unstable();
    streams.dedup();
    if streams.len() > MAX_STREAMS {
        return Err(OfferRefusal::TooLong);
    }

    let repairs = blocks.iter().flat_map(|block| attribute(block, "ssrc-group")).filter_map(repair).collect();

    // An ICE-lite agent sends no checks and does not need the page's candidates.
    let kept: Vec<&str> = lines.iter().copied().filter(|line| !line.starts_with("a=candidate:")).collect();
    let sdp = catch_unwind(AssertUnwindSafe(|| SdpOffer::from_sdp_string(&(kept.join("\r\n") + "\r\n"))));
    match sdp {
        Ok(Ok(sdp)) => Ok(Offer { sdp, sections, fingerprint, streams, repairs }),
        Ok(Err(_)) | Err(_) => Err(OfferRefusal::Malformed),
    }
}

fn attribute<'a>(block: &[&'a str], name: &str) -> impl Iterator<Item = &'a str> {
    block.iter().filter_map(move |line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'))
}

fn ssrc(line: &str) -> Option<u32> {
    line.split(' ').next()?.parse().ok()
}

fn repair(line: &str) -> Option<(u32, u32)> {
    let (stream, repaired_by) = line.strip_prefix("FID ")?.split_once(' ')?;
    Some((stream.parse().ok()?, repaired_by.parse().ok()?))
}

fn has_flag(block: &[&str], name: &str) -> bool {
    block.iter().any(|line| line.strip_prefix("a=") == Some(name))
}

fn section(block: &[&str]) -> Result<Section, OfferRefusal> {
    let mut words = block[0].strip_prefix("m=").ok_or(OfferRefusal::Malformed)?.split(' ');
    let kind = match words.next() {
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        Some(_) | None => return Err(OfferRefusal::NotMedia),
    };
    let port = words.next().ok_or(OfferRefusal::Malformed)?;
    port.parse::<u16>().map_err(|_| OfferRefusal::Malformed)?;
    if !words.next().is_some_and(|protocol| protocol.ends_with("/TLS/RTP/SAVPF")) {
        return Err(OfferRefusal::Malformed);
    }
    check_payload_types(words, block)?;
    if !has_flag(block, "rtcp-mux") {
        return Err(OfferRefusal::NoRtcpMux);
    }
    let directions = [
        ("sendonly", SectionDirection::SendOnly),
        ("recvonly", SectionDirection::RecvOnly),
        ("inactive", SectionDirection::Inactive),
    ];
    let mut said = directions.into_iter().filter(|(name, _)| has_flag(block, name)).map(|(_, direction)| direction);
    let (Some(direction), None) = (said.next(), said.next()) else {
        return Err(OfferRefusal::Direction);
    };
    if has_flag(block, "sendrecv") {
        return Err(OfferRefusal::Direction);
    }
    let layers = layers(block)?;
    if !layers.is_empty() && (kind, direction) != (MediaKind::Video, SectionDirection::SendOnly) {
        return Err(OfferRefusal::Simulcast);
    }
    let mut mids = attribute(block, "mid");
    match (mids.next(), mids.next()) {
        // str0m writes any other character as an underscore.
        (Some(mid), None) if is_token(mid, 1, 16) && !mid.contains(['+', '/', '-']) => {
            Ok(Section { mid: mid.to_owned(), kind, direction, layers })
        }
        (Some(_) | None, _) => Err(OfferRefusal::Mid),
    }
}

/// Parses `a=rid:q send` for each encoding, and `a=simulcast:send q;h;f` for all of them (RFC 8851, RFC 8853).
/// Restrictions, alternatives and initially paused encodings are rejected, as Bedside pages do not send them.
fn layers(block: &[&str]) -> Result<Vec<Layer>, OfferRefusal> {
    let known = |rid: &str| Layer::of_rid(rid).ok_or(OfferRefusal::Simulcast);
    let named = attribute(block, "rid").map(|rid| known(rid.strip_suffix(" send").ok_or(OfferRefusal::Simulcast)?));
    let mut layers = named.collect::<Result<Vec<_>, _>>()?;
    let mut groups = attribute(block, "simulcast");
    let mut together = match (groups.next(), groups.next()) {
        (Some(all), None) => {
            let all = all.strip_prefix("send ").ok_or(OfferRefusal::Simulcast)?;
            all.split(';').map(known).collect::<Result<Vec<_>, _>>()?
        }
        (None, _) if layers.len() <= 1 => layers.clone(),
        (Some(_) | None, _) => return Err(OfferRefusal::Simulcast),
    };
    layers.sort_unstable();
    together.sort_unstable();
    let different = layers.windows(2).all(|pair| pair[0] != pair[1]);
    if different && layers == together { Ok(layers) } else { Err(OfferRefusal::Simulcast) }
}

fn is_token(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-_".contains(&b))
}

/// RFC 5761: types 64 to 95 cannot be distinguished from RTCP.
fn check_payload_types<'a>(listed: impl Iterator<Item = &'a str>, block: &[&str]) -> Result<(), OfferRefusal> {
    let in_range = |word: &str| match word.parse::<u8>() {
        Ok(pt) if pt < 64 || (96..128).contains(&pt) => Ok(pt),
        Ok(_) | Err(_) => Err(OfferRefusal::PayloadType),
    };
    let mut seen = HashSet::new();
    for word in listed {
        if !seen.insert(in_range(word)?) {
            return Err(OfferRefusal::PayloadType);
        }
    }
    let described = attribute(block, "rtpmap").chain(attribute(block, "fmtp")).chain(attribute(block, "rtcp-fb"));
    for value in described {
        match value.split(' ').next() {
            Some("*") => (),
            Some(word) => {
                if !seen.contains(&in_range(word)?) {
                    return Err(OfferRefusal::PayloadType);
                }
            }
            None => return Err(OfferRefusal::Malformed),
        }
        for apt in value.split([' ', ';']).filter_map(|word| word.strip_prefix("apt=")) {
            in_range(apt)?;
        }
    }
    if seen.is_empty() { Err(OfferRefusal::PayloadType) } else { Ok(()) }
}

fn check_sections(sections: &[Section]) -> Result<(), OfferRefusal> {
    let mids: HashSet<&str> = sections.iter().map(|section| section.mid.as_str()).collect();
    if mids.len() != sections.len() {
        return Err(OfferRefusal::Mid);
    }
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let sending = |section: &&Section| section.kind == kind && section.direction == SectionDirection::SendOnly;
        if sections.iter().filter(sending).count() > 1 {
            return Err(OfferRefusal::Direction);
        }
    }
    Ok(())
}

fn check_bundle(session: &[&str], sections: &[Section]) -> Result<(), OfferRefusal> {
    let mut groups = attribute(session, "group").filter_map(|group| group.strip_prefix("BUNDLE "));
    let (Some(group), None) = (groups.next(), groups.next()) else {
        return Err(OfferRefusal::NotBundled);
    };
    let bundled: Vec<&str> = group.split(' ').collect();
    let all = bundled.len() == sections.len() && sections.iter().all(|section| bundled.contains(&section.mid.as_str()));
    if all { Ok(()) } else { Err(OfferRefusal::NotBundled) }
}

/// One certificate for the whole connection, identified by SHA-256, which str0m verifies. Additional SHA-384 and
/// SHA-512 fingerprints are accepted; SHA-1 is not.
fn fingerprint(session: &[&str], blocks: &[&[&str]]) -> Result<String, OfferRefusal> {
    let for_all = attribute(session, "fingerprint").next().is_some();
    let everywhere = blocks.iter().all(|block| attribute(block, "fingerprint").next().is_some());
    if !for_all && !everywhere {
        return Err(OfferRefusal::Fingerprint);
    }
    let mut found: Option<String> = None;
    for value in std::iter::once(&session).chain(blocks).flat_map(|block| attribute(block, "fingerprint")) {
        let value = value.to_ascii_lowercase();
        let (hash, digest) = value.split_once(' ').ok_or(OfferRefusal::Fingerprint)?;
        let bytes = match hash {
            "sha-256" => 32,
            "sha-384" => 48,
            "sha-512" => 64,
            _ => return Err(OfferRefusal::Fingerprint),
        };
        let is_byte = |byte: &str| byte.len() == 2 && byte.bytes().all(|b| b.is_ascii_hexdigit());
        if digest.split(':').count() != bytes || !digest.split(':').all(is_byte) {
            return Err(OfferRefusal::Fingerprint);
        }
        if hash == "sha-256" {
            match &found {
                Some(first) if *first != value => return Err(OfferRefusal::Fingerprint),
                Some(_) => (),
                None => found = Some(value),
            }
        }
    }
    found.ok_or(OfferRefusal::Fingerprint)
}

fn check_transport(session: &[&str], blocks: &[&[&str]]) -> Result<(), OfferRefusal> {
    let everything = || std::iter::once(&session).chain(blocks);
    for (name, least) in [("ice-ufrag", 4), ("ice-pwd", 22)] {
        let mut values: HashSet<&str> = HashSet::new();
        values.extend(everything().flat_map(|block| attribute(block, name)));
        let for_all = attribute(session, name).next().is_some();
        let present = for_all || blocks.iter().all(|block| attribute(block, name).next().is_some());
        if !present || values.len() != 1 || !values.iter().all(|value| is_token(value, least, 256)) {
            return Err(OfferRefusal::IceCredentials);
        }
    }
    if has_flag(session, "ice-lite") {
        return Err(OfferRefusal::IceCredentials);
    }
    let roles: Vec<&str> = everything().flat_map(|block| attribute(block, "setup")).collect();
    if roles.is_empty() || roles.iter().any(|role| *role != "actpass" && *role != "active") {
        return Err(OfferRefusal::DtlsRole);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TWO: &str = include_str!("../tests/offers/chromium-two.sdp");
    const NINE: &str = include_str!("../tests/offers/chromium-nine.sdp");
    const LAYERS: &str = include_str!("../tests/offers/chromium-layers.sdp");

    fn refusal(text: &str) -> OfferRefusal {
        match parse(text) {
            Ok(_) => panic!("the offer was accepted"),
            Err(why) => why,
        }
    }

    #[test]
    fn offers_of_chromium_are_accepted() {
        let two = parse(TWO).unwrap();
        let directions: Vec<_> = two.sections.iter().map(|section| (section.kind, section.direction)).collect();
        assert_eq!(
            directions,
            [
                (MediaKind::Audio, SectionDirection::SendOnly),
                (MediaKind::Video, SectionDirection::SendOnly),
                (MediaKind::Audio, SectionDirection::RecvOnly),
                (MediaKind::Video, SectionDirection::RecvOnly),
            ]
        );
        assert_eq!(parse(NINE).unwrap().sections.len(), 18);
    }

    #[test]
    fn offers_that_no_page_makes_are_refused() {
        let sha1 = "sha-1 AB:2B:83:84:61:71:F5:65:D5:19:2F:99:09:CF:35:D3:CE:2E:D2:22";
        let line = TWO.lines().find(|line| line.starts_with("a=fingerprint:")).unwrap();
        let changes = [
            (TWO.replace(line, &format!("a=fingerprint:{sha1}")), OfferRefusal::Fingerprint),
            (TWO.replace(line, &format!("{line}\r\na=fingerprint:{sha1}")), OfferRefusal::Fingerprint),
            (TWO.replace(line, "a=x-nothing"), OfferRefusal::Fingerprint),
            (TWO.replacen("AB:2B", "AC:2B", 1), OfferRefusal::Fingerprint),
            (TWO.replace("a=group:BUNDLE 0 1 2 3", "a=group:BUNDLE 0 1 2"), OfferRefusal::NotBundled),
            (TWO.replacen("a=rtcp-mux\r\n", "", 1), OfferRefusal::NoRtcpMux),
            (TWO.replacen("m=audio", "m=application", 1), OfferRefusal::NotMedia),
            (TWO.replacen("a=ice-ufrag:H15F", "a=ice-ufrag:H", 4), OfferRefusal::IceCredentials),
            (TWO.replacen("a=ice-ufrag:H15F", "a=ice-ufrag:H15G", 1), OfferRefusal::IceCredentials),
            (TWO.replace("a=setup:actpass", "a=setup:passive"), OfferRefusal::DtlsRole),
            (TWO.replacen(" 111 63 ", " 111 300 ", 1), OfferRefusal::PayloadType),
            (TWO.replacen(" 111 63 ", " 111 72 ", 1), OfferRefusal::PayloadType),
            (TWO.replacen(" 111 63 ", " 111 111 ", 1), OfferRefusal::PayloadType),
            (TWO.replacen("apt=96", "apt=196", 1), OfferRefusal::PayloadType),
            (TWO.replace("a=mid:3", "a=mid:2"), OfferRefusal::Mid),
            (TWO.replace("a=mid:3\r\n", ""), OfferRefusal::Mid),
            (TWO.replacen("a=sendonly", "a=sendrecv", 1), OfferRefusal::Direction),
            (TWO.replace("a=recvonly", "a=sendonly"), OfferRefusal::Direction),
            (TWO.replacen("a=sendonly", "a=sendonly\r\na=simulcast:send h;f", 1), OfferRefusal::Simulcast),
            (String::new(), OfferRefusal::Malformed),
            ("v=0\r\n".to_owned(), OfferRefusal::Malformed),
            (TWO.repeat(20), OfferRefusal::TooLong),
        ];
        for (number, (text, why)) in changes.iter().enumerate() {
            assert_eq!(refusal(text), *why, "change {number}");
        }
    }

    #[test]
    fn up_to_three_layers_of_the_picture_that_is_sent_are_accepted() {
        let layers = |text: &str| parse(text).unwrap().sections[1].layers.clone();
        assert_eq!(layers(TWO), []);
        assert_eq!(layers(LAYERS), Layer::ALL);
        assert_eq!(layers(&LAYERS.replace("send q;h;f", "send f;q;h")), Layer::ALL, "in any order");
        let two = LAYERS.replace("a=rid:q send\r\n", "").replace("send q;h;f", "send h;f");
        assert_eq!(layers(&two), [Layer::Half, Layer::Full]);
        let one = TWO.replace("a=mid:1\r\n", "a=mid:1\r\na=rid:f send\r\n");
        assert_eq!(layers(&one), [Layer::Full]);
        assert_eq!(layers(&one.replace("a=rid:f send", "a=rid:f send\r\na=simulcast:send f")), [Layer::Full]);
    }

    #[test]
    fn other_encodings_are_refused() {
        let changes = [
            LAYERS.replace("a=simulcast:send q;h;f\r\n", ""),
            LAYERS.replace("a=rid:q send\r\n", ""),
            LAYERS.replace("a=rid:q send", "a=rid:q send\r\na=rid:q send"),
            LAYERS.replace("send q;h;f", "send q;h;f;f"),
            LAYERS.replace("send q;h;f", "send q;h"),
            LAYERS.replace("send q;h;f", "send q;h,f"),
            LAYERS.replace("send q;h;f", "send q;h;~f"),
            LAYERS.replace("send q;h;f", "recv q;h;f"),
            LAYERS.replace("send q;h;f", "send q;h;f recv q"),
            LAYERS.replace("a=simulcast:send q;h;f", "a=simulcast:send q;h;f\r\na=simulcast:send q;h;f"),
            LAYERS.replace("a=rid:f send", "a=rid:f recv"),
            LAYERS.replace("a=rid:f send", "a=rid:f send max-width=1280"),
            LAYERS.replace("a=rid:f send", "a=rid:f send pt=96"),
            LAYERS.replace("rid:f", "rid:x").replace("q;h;f", "q;h;x"),
            // In an audio section, and in a receiving section.
            LAYERS.replace("a=mid:0\r\n", "a=mid:0\r\na=rid:f send\r\n"),
            LAYERS.replace("a=mid:3\r\n", "a=mid:3\r\na=rid:f send\r\n"),
            LAYERS.replace("a=mid:3\r\n", "a=mid:3\r\na=rid:f recv\r\n"),
        ];
        for (number, text) in changes.iter().enumerate() {
            assert_ne!(text, LAYERS, "change {number}");
            assert_eq!(refusal(text), OfferRefusal::Simulcast, "change {number}");
        }
    }

    #[test]
    fn longer_fingerprints_may_stand_beside_sha_256() {
        let line = TWO.lines().find(|line| line.starts_with("a=fingerprint:")).unwrap();
        let long = ["AB"; 64].join(":");
        assert!(parse(&TWO.replace(line, &format!("{line}\r\na=fingerprint:sha-512 {long}"))).is_ok());
        assert_eq!(refusal(&TWO.replace(line, &format!("a=fingerprint:sha-512 {long}"))), OfferRefusal::Fingerprint);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn no_text_panics(text in "\\PC{0,300}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_mangled_offer_panics(
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u8..5, "[a-z0-9:=/ ]{0,12}"), 1..6)
        ) {
            let mut lines: Vec<String> = LAYERS.lines().map(str::to_owned).collect();
            for (at, other, what, text) in edits {
                if lines.is_empty() { break }
                let (at, other) = (at.index(lines.len()), other.index(lines.len()));
                match what {
                    0 => { lines.remove(at); }
                    1 => lines.swap(at, other),
                    2 => { let copy = lines[at].clone(); lines.insert(other, copy); }
                    3 => { let cut = lines[at].len() / 2; lines[at].truncate(cut); lines[at].push_str(&text); }
                    _ => lines[at].push_str(&text),
                }
            }
            let _ = parse(&lines.join("\r\n"));
        }
    }
}
