//! Negotiated payload types, and their translation between peers.

use std::borrow::Cow;

use str0m::Rtc;
use str0m::format::Codec;
use str0m::media::{MediaKind, Mid, Pt};
use str0m::rtp::RedDecoder;

use crate::event::MediaClass;

/// The encoding of a payload, as identified by its payload type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Opus,
    /// Opus with redundancy (RED, RFC 2198).
    Red,
    Vp8,
}

impl Encoding {
    pub(crate) fn kind(self) -> MediaKind {
        match self {
            Self::Opus | Self::Red => MediaKind::Audio,
            Self::Vp8 => MediaKind::Video,
        }
    }

    pub(crate) fn clock_rate(self) -> u32 {
        match self {
            Self::Opus | Self::Red => 48_000,
            Self::Vp8 => 90_000,
        }
    }
}

/// The payload types negotiated with one peer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Codecs {
    opus: Option<Pt>,
    red: Option<Pt>,
    vp8: Option<Pt>,
    /// Video retransmission (RTX, RFC 4588).
    repair: Option<Pt>,
}

impl Codecs {
    /// Reads the negotiated payload types.
    pub(crate) fn negotiated(rtc: &Rtc, mids: &[Mid]) -> Self {
        let mut codecs = Self::default();
        let agreed =
            |pt: Pt| mids.iter().filter_map(|mid| rtc.media(*mid)).any(|media| media.remote_pts().contains(&pt));
        for params in rtc.codec_config().params().iter().filter(|params| agreed(params.pt())) {
            if params.spec().codec == Codec::Opus {
                codecs.opus = Some(params.pt());
                codecs.red = params.red();
            } else if params.spec().codec == Codec::Vp8 {
                codecs.vp8 = Some(params.pt());
                codecs.repair = params.resend();
            }
        }
        codecs
    }

    /// Creates a mapping from given payload types.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn of(opus: u8, red: Option<u8>, vp8: u8, repair: Option<u8>) -> Self {
        Self {
            opus: Some(opus.into()),
            red: red.map(Into::into),
            vp8: Some(vp8.into()),
            repair: repair.map(Into::into),
        }
    }

    pub(crate) fn encoding(&self, pt: Pt) -> Option<Encoding> {
        let pt = Some(pt);
        if pt == self.opus {
            Some(Encoding::Opus)
        } else if pt == self.red {
            Some(Encoding::Red)
        } else if pt == self.vp8 {
            Some(Encoding::Vp8)
        } else {
            None
        }
    }

    /// Returns whether packets of this type are retransmissions.
    pub(crate) fn is_repair(&self, pt: Pt) -> bool {
        self.repair == Some(pt)
    }

    /// Returns the payload type of video retransmissions.
    pub(crate) fn repair(&self) -> Option<Pt> {
        self.repair
    }

    /// Translates a payload of this peer to the payload types of another peer.
    pub(crate) fn translate<'a>(
        &self,
        encoding: Encoding,
        payload: &'a [u8],
        to: &Self,
    ) -> Option<(Pt, Cow<'a, [u8]>)> {
        match encoding {
            Encoding::Opus => Some((to.opus?, Cow::Borrowed(payload))),
            Encoding::Vp8 => Some((to.vp8?, Cow::Borrowed(payload))),
            Encoding::Red => match to.red {
                Some(red) if self.opus == to.opus => Some((red, Cow::Borrowed(payload))),
                Some(red) => Some((red, Cow::Owned(red_with_type(payload, *to.opus?)?))),
                None => Some((to.opus?, Cow::Owned(red_primary(payload)?))),
            },
        }
    }

    /// Returns what an encrypted datagram to this peer carries, judged by its unencrypted header.
    pub(crate) fn class(&self, datagram: &[u8]) -> MediaClass {
        match datagram {
            [128..=191, second, ..] => match second & 0x7f {
                64..=95 => MediaClass::Control,
                pt if self.opus.is_some_and(|opus| *opus == pt) => MediaClass::Audio,
                pt if self.red.is_some_and(|red| *red == pt) => MediaClass::Audio,
                _ => MediaClass::Video,
            },
            _ => MediaClass::Control,
        }
    }
}

fn red_primary(payload: &[u8]) -> Option<Vec<u8>> {
    RedDecoder::decode(payload).ok()?.last().map(|block| block.payload.to_vec())
}

/// Replaces the payload type in each RED block header (RFC 2198, section 3).
fn red_with_type(payload: &[u8], pt: u8) -> Option<Vec<u8>> {
    RedDecoder::decode(payload).ok()?;
    let mut bytes = payload.to_vec();
    let mut at = 0;
    loop {
        let header = bytes.get_mut(at)?;
        let more = *header & 0x80;
        *header = more | (pt & 0x7f);
        if more == 0 {
            return Some(bytes);
        }
        at += 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codecs(opus: u8, red: Option<u8>) -> Codecs {
        Codecs::of(opus, red, 96, Some(97))
    }

    /// One redundant block of two bytes, then a primary block of three.
    fn red(pt: u8) -> Vec<u8> {
        vec![0x80 | pt, 0, 0, 2, pt, 1, 2, 3, 4, 5]
    }

    #[test]
    fn redundancy_passes_is_renumbered_or_is_taken_off() {
        let from = codecs(111, Some(63));
        let heard = red(111);
        let say = |to: &Codecs| from.translate(Encoding::Red, &heard, to).expect("audio is understood");
        assert_eq!(say(&codecs(111, Some(64))), (64.into(), red(111).into()));
        assert_eq!(say(&codecs(109, Some(63))), (63.into(), red(109).into()));
        assert_eq!(say(&codecs(111, None)), (111.into(), vec![3, 4, 5].into()));
    }

    #[test]
    fn malformed_redundancy_is_not_forwarded() {
        let broken = [0xff, 0];
        assert!(codecs(111, Some(63)).translate(Encoding::Red, &broken, &codecs(111, None)).is_none());
        assert!(codecs(111, Some(63)).translate(Encoding::Red, &broken, &codecs(109, Some(63))).is_none());
    }
}
