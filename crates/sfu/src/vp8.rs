//! Rewrites the numbers in VP8 payload descriptors (RFC 7741, section 4.2), so that they are continuous when the source
//! of a receiver's video changes.
//!
//! A decoder orders pictures by `PictureID` and tracks references by `TL0PICIDX` and `KEYIDX`. Each encoding has its
//! own counters; a receiver must see one sequence.

use crate::codec::Encoding;

/// The numbers of a payload and their positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Numbers {
    /// `PictureID`.
    picture: Option<Field>,
    /// `TL0PICIDX`: the newest picture of the lowest temporal layer.
    base: Option<Field>,
    /// `KEYIDX`: the newest keyframe; the lower five bits of its octet.
    key: Option<Field>,
    /// Offset of the VP8 frame.
    frame: usize,
    starts: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    at: usize,
    bits: u32,
    value: u16,
}

/// What to add to the numbers of a segment of one encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Shift {
    picture: u16,
    base: u16,
    key: u16,
}

impl Numbers {
    /// Parses the payload descriptor. Returns `None` if it is not VP8 or malformed.
    pub(crate) fn read(encoding: Encoding, payload: &[u8]) -> Option<Self> {
        if encoding != Encoding::Vp8 {
            return None;
        }
        let first = *payload.first()?;
        let mut numbers = Self { frame: 1, starts: first & 0x17 == 0x10, ..Self::default() };
        if first & 0x80 != 0 {
            let has = *payload.get(1)?;
            let mut at = 2;
            if has & 0x80 != 0 {
                let high = *payload.get(at)?;
                if high & 0x80 == 0 {
                    numbers.picture = Some(Field { at, bits: 7, value: high.into() });
                    at += 1;
                } else {
                    let value = u16::from_be_bytes([high & 0x7f, *payload.get(at + 1)?]);
                    numbers.picture = Some(Field { at, bits: 15, value });
                    at += 2;
                }
            }
            if has & 0x40 != 0 {
                numbers.base = Some(Field { at, bits: 8, value: u16::from(*payload.get(at)?) });
                at += 1;
            }
            if has & 0x30 != 0 {
                let octet = *payload.get(at)?;
                let key = Field { at, bits: 5, value: u16::from(octet & 0x1f) };
                numbers.key = (has & 0x10 != 0).then_some(key);
                at += 1;
            }
            numbers.frame = at;
        }
        (numbers.frame < payload.len()).then_some(numbers)
    }

    /// Returns whether a keyframe starts in this payload.
    pub(crate) fn start_keyframe(&self, payload: &[u8]) -> bool {
        self.starts && payload.get(self.frame).is_some_and(|header| header & 1 == 0)
    }

    /// Returns the numbers shifted.
    pub(crate) fn shifted(self, shift: Shift) -> Self {
        let add = |field: Option<Field>, amount: u16| {
            field.map(|field| Field { value: field.value.wrapping_add(amount) & mask(field.bits), ..field })
        };
        Self {
            picture: add(self.picture, shift.picture),
            base: add(self.base, shift.base),
            key: add(self.key, shift.key),
            ..self
        }
    }

    /// Returns the shift that makes these numbers follow `last`.
    pub(crate) fn to_follow(self, last: Self) -> Shift {
        let amount = |last: Option<Field>, first: Option<Field>| match (last, first) {
            (Some(last), Some(first)) => last.value.wrapping_add(1).wrapping_sub(first.value),
            (Some(_) | None, _) => 0,
        };
        Shift {
            picture: amount(last.picture, self.picture),
            base: amount(last.base, self.base),
            key: amount(last.key, self.key),
        }
    }

    /// Fills missing numbers from the previous packet, so that a picture without them does not restart a receiver's
    /// count.
    pub(crate) fn or(self, before: Self) -> Self {
        Self {
            picture: self.picture.or(before.picture),
            base: self.base.or(before.base),
            key: self.key.or(before.key),
            ..self
        }
    }

    /// Writes the numbers into the payload they were parsed from, or a copy of it.
    pub(crate) fn write(self, payload: &mut [u8]) {
        for Field { at, bits, value } in [self.picture, self.base, self.key].into_iter().flatten() {
            let [high, low] = value.to_be_bytes();
            let octets: &[u8] = if bits == 15 { &[0x80 | high, low] } else { &[low] };
            let Some(place) = payload.get_mut(at..at + octets.len()) else { return };
            if bits == 5 {
                place[0] = (place[0] & 0xe0) | low;
            } else {
                place.copy_from_slice(octets);
            }
        }
    }
}

impl Shift {
    /// Returns whether nothing needs to be written.
    pub(crate) fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

const fn mask(bits: u32) -> u16 {
    (1 << bits) - 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use str0m::rtp::Vp8Descriptor;

    use super::*;

    fn read(payload: &[u8]) -> Numbers {
        Numbers::read(Encoding::Vp8, payload).unwrap()
    }

    /// A payload as Chromium writes it: a 15-bit picture ID, TL0PICIDX, and a temporal layer with KEYIDX.
    fn payload(picture: u16, base: u8, key: u8) -> Vec<u8> {
        let [high, low] = picture.to_be_bytes();
        vec![0x90, 0xf0, 0x80 | high, low, base, 0x20 | key, 0x10, 1, 2]
    }

    fn shown(payload: &[u8]) -> (Option<u16>, Option<u8>, Option<u8>) {
        let descriptor = Vp8Descriptor::parse(payload).unwrap();
        (descriptor.picture_id(), descriptor.tl0_pic_idx(), descriptor.key_idx())
    }

    #[test]
    fn another_encoding_goes_on_where_the_first_one_was() {
        let last = read(&payload(0x7fff, 255, 31));
        let mut first = payload(4000, 7, 3);
        let numbers = read(&first);
        assert!(numbers.start_keyframe(&first));
        let shift = numbers.to_follow(last);
        numbers.shifted(shift).write(&mut first);
        assert_eq!(shown(&first), (Some(0), Some(0), Some(0)));
        let mut second = payload(4001, 8, 3);
        read(&second).shifted(shift).write(&mut second);
        assert_eq!(shown(&second), (Some(1), Some(1), Some(0)));
        assert_eq!(second[5] & 0xe0, 0x20, "the temporal layer is unchanged");
        assert_eq!(&second[6..], [0x10, 1, 2]);
    }

    #[test]
    fn what_is_not_there_is_not_written_and_what_was_said_is_remembered() {
        let last = read(&payload(100, 5, 2));
        let plain = [0x10, 0, 1, 2];
        let numbers = read(&plain);
        assert!(numbers.start_keyframe(&plain));
        let mut written = plain;
        numbers.shifted(numbers.to_follow(last)).write(&mut written);
        assert_eq!(written, plain);
        assert_eq!(read(&payload(9, 9, 9)).to_follow(numbers.or(last)), read(&payload(9, 9, 9)).to_follow(last));
    }

    #[test]
    fn a_short_picture_number_stays_short() {
        let mut short = vec![0x90, 0x80, 0x7e, 0x10, 1];
        let numbers = read(&short);
        numbers.shifted(numbers.to_follow(read(&payload(0x1234, 0, 0)))).write(&mut short);
        assert_eq!(shown(&short), (Some(0x35), None, None));
        assert_eq!(short.len(), 5);
    }

    #[test]
    fn only_the_first_packet_of_a_keyframe_starts_it() {
        let starts =
            |payload: &[u8]| Numbers::read(Encoding::Vp8, payload).is_some_and(|it| it.start_keyframe(payload));
        assert!(starts(&[0x90, 0x80, 0x05, 0x10, 0]));
        assert!(!starts(&[0x80, 0x80, 0x05, 0x10, 0]));
        assert!(!starts(&[0x90, 0x80, 0x05, 0x11, 0]));
        assert!(!starts(&[0x91, 0x80, 0x05, 0x10, 0]), "another partition");
    }

    #[test]
    fn nonsense_has_no_numbers() {
        for broken in
            [&[][..], &[0x90], &[0x90, 0x80], &[0x90, 0x80, 0x80], &[0x90, 0xf0, 1, 2], &[0x10], &[0x90, 0xf0, 1, 2, 3]]
        {
            assert_eq!(Numbers::read(Encoding::Vp8, broken), None, "{broken:?}");
        }
        assert_eq!(Numbers::read(Encoding::Opus, &payload(1, 1, 1)), None);
    }

    proptest! {
        #[test]
        fn it_reads_as_str0m_does(payload in prop::collection::vec(any::<u8>(), 0..12)) {
            let numbers = Numbers::read(Encoding::Vp8, &payload);
            if let Ok(descriptor) = Vp8Descriptor::parse(&payload) {
                let numbers = numbers.unwrap();
                let value = |field: Option<Field>| field.map(|field| field.value);
                prop_assert_eq!(value(numbers.picture), descriptor.picture_id());
                prop_assert_eq!(value(numbers.base), descriptor.tl0_pic_idx().map(u16::from));
                prop_assert_eq!(value(numbers.key), descriptor.key_idx().map(u16::from));
                prop_assert_eq!(numbers.start_keyframe(&payload), descriptor.starts_keyframe(&payload));
                let mut same = payload.clone();
                numbers.write(&mut same);
                prop_assert_eq!(same, payload);
            }
        }

        #[test]
        fn shifted_numbers_are_read_as_such(payload in prop::collection::vec(any::<u8>(), 6..12), after in prop::collection::vec(any::<u8>(), 6..12)) {
            let (Some(numbers), Some(last)) = (Numbers::read(Encoding::Vp8, &payload), Numbers::read(Encoding::Vp8, &after)) else {
                return Ok(());
            };
            let shifted = numbers.shifted(numbers.to_follow(last));
            let mut written = payload.clone();
            shifted.write(&mut written);
            prop_assert_eq!(Numbers::read(Encoding::Vp8, &written), Some(shifted));
            prop_assert_eq!(&written[numbers.frame..], &payload[numbers.frame..]);
        }
    }
}
