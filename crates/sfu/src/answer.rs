//! Post-processing of the SDP answer that str0m writes.

use std::fmt::Write as _;

use crate::command::IceCredentials;

/// Replaces the ICE credentials that str0m generated for an ICE restart by those of the caller.
pub(crate) fn with_credentials(sdp: &str, old_ufrag: &str, ice: &IceCredentials) -> String {
    rewrite(sdp, |line, out| {
        if line.starts_with("a=ice-ufrag:") {
            write!(out, "a=ice-ufrag:{}", ice.ufrag)
        } else if line.starts_with("a=ice-pwd:") {
            write!(out, "a=ice-pwd:{}", ice.password)
        } else if line.starts_with("a=candidate:") {
            out.write_str(&line.replace(&format!(" ufrag {old_ufrag}"), &format!(" ufrag {}", ice.ufrag)))
        } else {
            out.write_str(line)
        }
    })
}

/// Gives all receive slots of a user the same stream ID, because browsers synchronize audio and video only within one
/// stream.
pub(crate) fn with_streams(sdp: &str, stream_of: impl Fn(&str) -> Option<String>) -> String {
    let mut stream = None;
    let sections: Vec<&str> = sdp.lines().collect();
    let mut out = String::with_capacity(sdp.len());
    for section in sections.chunk_by(|_, next| !next.starts_with("m=")) {
        let mid = section.iter().find_map(|line| line.strip_prefix("a=mid:"));
        stream.clone_from(&mid.and_then(&stream_of));
        for line in section {
            match (&stream, msid(line)) {
                (Some(stream), Some((before, track))) => out.push_str(&format!("{before}{stream} {track}")),
                (Some(_) | None, _) => out.push_str(line),
            }
            out.push_str("\r\n");
        }
    }
    out
}

/// Splits `a=msid:STREAM TRACK` and `a=ssrc:N msid:STREAM TRACK` around the stream ID.
fn msid(line: &str) -> Option<(&str, &str)> {
    let start = if line.starts_with("a=msid:") {
        "a=msid:".len()
    } else if line.starts_with("a=ssrc:") {
        line.find(" msid:")? + " msid:".len()
    } else {
        return None;
    };
    let (_, track) = line[start..].split_once(' ')?;
    Some((&line[..start], track))
}

fn rewrite(sdp: &str, mut each: impl FnMut(&str, &mut String) -> std::fmt::Result) -> String {
    let mut out = String::with_capacity(sdp.len());
    for line in sdp.lines() {
        each(line, &mut out).expect("a String takes any text");
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_replaced_wherever_they_stand() {
        let sdp =
            "a=candidate:1 1 udp 1 192.0.2.1 9 typ host ufrag abc\r\na=ice-ufrag:abc\r\na=ice-pwd:x\r\na=mid:abc\r\n";
        let ice = IceCredentials { ufrag: "new".to_owned(), password: "secret".to_owned() };
        assert_eq!(
            with_credentials(sdp, "abc", &ice),
            "a=candidate:1 1 udp 1 192.0.2.1 9 typ host ufrag new\r\na=ice-ufrag:new\r\na=ice-pwd:secret\r\na=mid:abc\r\n"
        );
    }

    #[test]
    fn streams_are_named_after_people_in_their_own_sections_only() {
        let sdp = "m=audio\r\na=mid:0\r\na=msid:x t0\r\nm=audio\r\na=mid:1\r\na=msid:y t1\r\na=ssrc:7 cname:c\r\na=ssrc:7 msid:y t1\r\n";
        let named = with_streams(sdp, |mid| (mid == "1").then(|| "ann".to_owned()));
        assert_eq!(
            named,
            "m=audio\r\na=mid:0\r\na=msid:x t0\r\nm=audio\r\na=mid:1\r\na=msid:ann t1\r\na=ssrc:7 cname:c\r\na=ssrc:7 msid:ann t1\r\n"
        );
    }
}
