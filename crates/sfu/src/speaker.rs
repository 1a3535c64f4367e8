//! Active speaker detection from the audio levels that pages report (RFC 6464).

use std::time::{Duration, Instant};

use bedside_visit::UserId;

/// Level counted as speech, in decibels above -127 dBov. A quiet room is below 70.
const SPEECH: f32 = 77.0;
/// How much louder than the active speaker another user must be, in decibels.
const LOUDER: f32 = 6.0;
/// For how long they must be louder, so that a cough does not count.
const LONGER: Duration = Duration::from_millis(500);
/// Minimum time between speaker changes.
const KEPT: Duration = Duration::from_millis(1500);
/// After this long without speech there is no active speaker.
const SILENCE: Duration = Duration::from_secs(2);
/// Time constants in seconds of the smoothed level when it rises and when it falls.
const RISE: f32 = 0.1;
const FALL: f32 = 0.4;
/// Maximum weight in seconds of one packet. Audio packets arrive every 20 ms; a gap counts as this much.
const MOST_AT_ONCE: f32 = 0.1;

/// The audio levels in one room.
#[derive(Debug, Default)]
pub(crate) struct Speakers {
    voices: Vec<Voice>,
    /// The active speaker and since when. Kept during silence.
    floor: Option<(UserId, Instant)>,
    /// The user about to become the active speaker, and since when they have been louder.
    rival: Option<(UserId, Instant)>,
    /// When the active speaker last spoke.
    spoke: Option<Instant>,
    told: Option<UserId>,
}

#[derive(Debug)]
struct Voice {
    user: UserId,
    loudness: f32,
    heard: Instant,
}

impl Speakers {
    /// Records the level of an audio packet in dBov (RFC 6464): from -127, silence, to 0.
    pub(crate) fn hear(&mut self, now: Instant, user: UserId, level: i8) {
        let loudness = 127.0 + f32::from(level.clamp(-127, 0));
        match self.voices.iter_mut().find(|voice| voice.user == user) {
            Some(voice) => {
                let elapsed = now.saturating_duration_since(voice.heard).as_secs_f32().min(MOST_AT_ONCE);
                let time = if loudness > voice.loudness { RISE } else { FALL };
                voice.loudness += (loudness - voice.loudness) * (1.0 - (-elapsed / time).exp());
                voice.heard = now;
            }
            None => self.voices.push(Voice { user, loudness: 0.0, heard: now }),
        }
    }

    /// Removes users who have left or are no longer audible.
    pub(crate) fn keep(&mut self, is_heard: impl Fn(UserId) -> bool) {
        self.voices.retain(|voice| is_heard(voice.user));
        self.rival = self.rival.filter(|(user, _)| is_heard(*user));
        self.floor = self.floor.filter(|(user, _)| is_heard(*user));
    }

    /// Returns the active speaker (or `None` for silence) if it changed.
    pub(crate) fn look(&mut self, now: Instant) -> Option<Option<UserId>> {
        let since = |at: Instant| now.saturating_duration_since(at);
        // No packets for a moment counts as silence: a microphone was turned off.
        let audible = self.voices.iter().filter(|voice| since(voice.heard) < KEPT);
        let speech = audible.filter(|voice| voice.loudness >= SPEECH);
        let loudest = speech.max_by(|a, b| a.loudness.total_cmp(&b.loudness));
        let holder = self.floor.and_then(|(user, _)| self.voices.iter().find(|voice| voice.user == user));
        if holder.is_some_and(|voice| voice.loudness >= SPEECH && since(voice.heard) < KEPT) {
            self.spoke = Some(now);
        }
        let rival = loudest.filter(|voice| {
            let louder = holder.is_none_or(|holder| voice.loudness >= holder.loudness + LOUDER);
            self.floor.is_none_or(|(user, at)| user != voice.user && since(at) >= KEPT) && louder
        });
        self.rival = rival.map(|voice| match self.rival {
            Some((user, at)) if user == voice.user => (user, at),
            Some(_) | None => (voice.user, now),
        });
        if let Some((user, _)) = self.rival.filter(|(_, at)| since(*at) >= LONGER) {
            self.floor = Some((user, now));
            self.spoke = Some(now);
            self.rival = None;
        }
        let speaks = self.spoke.is_some_and(|at| since(at) < SILENCE);
        let speaking = self.floor.filter(|_| speaks).map(|(user, _)| user);
        (self.told != speaking).then(|| {
            self.told = speaking;
            speaking
        })
    }

    /// Returns the last active speaker, even during silence.
    pub(crate) fn floor(&self) -> Option<UserId> {
        self.floor.map(|(user, _)| user)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::cast_possible_truncation)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const SPEAKS: i8 = -30;
    const SHOUTS: i8 = -15;
    const IS_QUIET: i8 = -70;

    fn user(number: u128) -> UserId {
        UserId::new(Uuid::from_u128(number))
    }

    struct Room {
        speakers: Speakers,
        start: Instant,
        now: Instant,
        /// The reported speakers with their times in milliseconds.
        told: Vec<(u128, Option<u128>)>,
    }

    impl Room {
        fn new() -> Self {
            let now = Instant::now();
            Self { speakers: Speakers::default(), start: now, now, told: Vec::new() }
        }

        /// Plays the levels of user 1, user 2 and so on for a while.
        fn hear(&mut self, ms: u64, levels: &[i8]) {
            for _ in 0..ms / 20 {
                self.now += Duration::from_millis(20);
                for (number, level) in (1..).zip(levels) {
                    self.speakers.hear(self.now, user(number), *level);
                }
                if let Some(speaking) = self.speakers.look(self.now) {
                    let number = speaking.map(|who| who.uuid().as_u128());
                    self.told.push(((self.now - self.start).as_millis(), number));
                }
            }
        }

        fn names(&self) -> Vec<Option<u128>> {
            self.told.iter().map(|(_, who)| *who).collect()
        }
    }

    #[test]
    fn a_speaker_has_the_floor_within_a_second_and_keeps_it_in_silence() {
        let mut room = Room::new();
        room.hear(1000, &[IS_QUIET, IS_QUIET]);
        assert_eq!(room.told, []);
        room.hear(1000, &[IS_QUIET, SPEAKS]);
        assert_eq!(room.names(), [Some(2)]);
        assert!(room.told[0].0 <= 1900, "{:?}", room.told);
        room.hear(4000, &[IS_QUIET, IS_QUIET]);
        assert_eq!(room.names(), [Some(2), None]);
        assert_eq!(room.speakers.floor(), Some(user(2)));
    }

    #[test]
    fn a_cough_and_a_loud_listener_take_nothing() {
        let mut room = Room::new();
        room.hear(3000, &[SPEAKS, IS_QUIET]);
        room.hear(200, &[SPEAKS, SHOUTS]);
        room.hear(2000, &[SPEAKS, IS_QUIET]);
        room.hear(3000, &[SPEAKS, SPEAKS]);
        assert_eq!(room.names(), [Some(1)], "the active speaker stays among equals");
        room.hear(2000, &[IS_QUIET, SPEAKS]);
        assert_eq!(room.names(), [Some(1), Some(2)], "no silence between two users who alternate");
    }

    #[test]
    fn a_microphone_that_goes_away_is_silence() {
        let mut room = Room::new();
        room.hear(2000, &[SPEAKS, IS_QUIET]);
        for _ in 0..50 {
            room.now += Duration::from_millis(100);
            room.speakers.hear(room.now, user(2), IS_QUIET);
            room.told.extend(room.speakers.look(room.now).map(|who| (0, who.map(|who| who.uuid().as_u128()))));
        }
        assert_eq!(room.names(), [Some(1), None]);
        room.speakers.keep(|who| who != user(1));
        assert_eq!(room.speakers.floor(), None);
    }

    proptest! {
        #[test]
        fn the_floor_does_not_wander_and_is_nobodys_who_is_silent(
            turns in prop::collection::vec((1u64..60, prop::collection::vec(-90i8..=0, 3)), 1..60)
        ) {
            let mut room = Room::new();
            let mut loudest = [-127i8; 3];
            for (steps, levels) in turns {
                for (loudest, level) in loudest.iter_mut().zip(&levels) {
                    *loudest = (*level).max(*loudest);
                }
                let before = room.told.len();
                room.hear(steps * 20, &levels);
                for who in room.told[before..].iter().filter_map(|(_, who)| *who) {
                    prop_assert!(f32::from(loudest[who as usize - 1]) + 127.0 >= SPEECH, "{who} never spoke");
                }
            }
            let mut spoken = room.told.iter().filter_map(|(at, who)| Some((*at, (*who)?))).collect::<Vec<_>>();
            spoken.dedup_by_key(|(_, who)| *who);
            prop_assert!(spoken.windows(2).all(|pair| pair[1].0 - pair[0].0 >= KEPT.as_millis()), "{spoken:?}");
            let names = room.names();
            prop_assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "no change is reported twice: {names:?}");
        }
    }
}
