//! Replay protection (RFC 3711, section 3.3.2) and extension of sequence numbers (section 3.3.1).

/// How far behind the newest number a packet may arrive: one second of video at several Mbit/s.
const WIDTH: u64 = 1024;
const WORDS: usize = 16;

/// The sequence numbers received of a stream, as far back as the window reaches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    newest: Option<u64>,
    seen: [u64; WORDS],
}

impl Window {
    /// Returns the number with these low 16 bits that is nearest to the newest one.
    pub(crate) fn extend(&self, low: u16) -> u64 {
        let Some(newest) = self.newest else { return u64::from(low) };
        let candidate = (newest & !0xffff) | u64::from(low);
        if candidate + 0x8000 < newest {
            candidate + 0x1_0000
        } else if candidate > newest + 0x8000 && candidate >= 0x1_0000 {
            candidate - 0x1_0000
        } else {
            candidate
        }
    }

    /// Returns the newest number.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Returns whether the number is new and within the window.
    pub(crate) fn is_new(&self, number: u64) -> bool {
        let Some(newest) = self.newest else { return true };
        if number > newest {
            return true;
        }
        newest - number < WIDTH && self.seen[word(number)] & bit(number) == 0
    }

    /// Records a new authenticated number.
    pub(crate) fn note(&mut self, number: u64) {
        match self.newest {
            Some(newest) if number <= newest => (),
            Some(newest) if number - newest < WIDTH => {
                // Clears the bits of the numbers in between, which still hold older numbers.
                (newest + 1..number).for_each(|skipped| self.seen[word(skipped)] &= !bit(skipped));
                self.newest = Some(number);
            }
            Some(_) | None => {
                self.seen = [0; WORDS];
                self.newest = Some(number);
            }
        }
        self.seen[word(number)] |= bit(number);
    }
}

fn word(number: u64) -> usize {
    // Less than the number of words.
    ((number / 64) % WORDS as u64) as usize
}

fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_extended_to_the_nearest() {
        let mut window = Window::default();
        assert_eq!(window.extend(65_000), 65_000);
        window.note(65_000);
        assert_eq!(window.extend(10), 65_546);
        assert_eq!(window.extend(64_000), 64_000);
        window.note(65_546);
        assert_eq!(window.extend(65_535), 65_535);
        assert_eq!(window.extend(11), 65_547);
        // Numbers before the first one do not exist.
        let mut young = Window::default();
        young.note(5);
        assert_eq!(young.extend(65_000), 65_000);
    }

    proptest! {
        #[test]
        fn a_number_is_new_once(numbers in prop::collection::vec(0_u64..5000, 1..400)) {
            let (mut window, mut seen, mut newest) = (Window::default(), HashSet::new(), 0);
            for number in numbers {
                let expected = !seen.contains(&number) && (number >= newest || newest - number < WIDTH);
                prop_assert_eq!(window.is_new(number), expected || seen.is_empty());
                if window.is_new(number) {
                    window.note(number);
                    seen.insert(number);
                    newest = newest.max(number);
                }
            }
        }

        #[test]
        fn extension_follows_a_stream_whatever_is_lost(start in any::<u16>(), steps in prop::collection::vec(1_u64..30_000, 1..50)) {
            let (mut window, mut number) = (Window::default(), u64::from(start));
            window.note(number);
            for step in steps {
                number += step;
                prop_assert_eq!(window.extend((number & 0xffff) as u16), number);
                window.note(number);
            }
        }
    }
}
