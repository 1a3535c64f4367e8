//! How large the frames of a picture are, and how they are cut into packets.

use fastrand::Rng;

use crate::payload::LEAST;

/// Frames a second.
pub(crate) const RATE: u32 = 30;
/// The most bytes of payload: with headers and encryption a packet stays below 1,200.
const MOST: usize = 1_130;
/// A keyframe comes at least that often, in frames.
const KEY_EVERY: u32 = 300;
/// So many times the bytes of another frame.
const KEY_FACTOR: usize = 5;

/// One encoding of a picture.
#[derive(Debug, Clone)]
pub(crate) struct Camera {
    /// Bytes of a frame, in the mean.
    mean: usize,
    since_key: u32,
    dice: Rng,
}

impl Camera {
    /// With so many bits a second.
    pub(crate) fn new(bitrate: u32, seed: u64) -> Self {
        let mean = usize::try_from(bitrate / 8 / RATE).unwrap_or(MOST);
        // The first frame is a keyframe.
        Self { mean, since_key: KEY_EVERY, dice: Rng::with_seed(seed) }
    }

    /// The next frame: whether it is a keyframe, as it must be if one is `wanted`, and the sizes of its packets.
    pub(crate) fn frame(&mut self, wanted: bool) -> (bool, Vec<usize>) {
        let key = wanted || self.since_key >= KEY_EVERY;
        self.since_key = if key { 1 } else { self.since_key + 1 };
        let bytes = if key { self.mean * KEY_FACTOR } else { self.mean * self.dice.usize(70..=130) / 100 };
        (key, cut(bytes.max(LEAST)))
    }
}

/// As libwebrtc cuts: into the fewest packets, as equal as can be, the larger ones last.
fn cut(bytes: usize) -> Vec<usize> {
    let count = bytes.div_ceil(MOST);
    let (each, larger) = (bytes / count, bytes % count);
    (0..count).map(|at| each + usize::from(at >= count - larger)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_as_equal_as_can_be() {
        assert_eq!(cut(6_250), [1_041, 1_041, 1_042, 1_042, 1_042, 1_042]);
        assert_eq!(cut(1_130), [1_130]);
        assert_eq!(cut(1_131), [565, 566]);
    }

    #[test]
    fn a_camera_keeps_its_bit_rate_and_makes_keyframes() {
        let mut camera = Camera::new(1_500_000, 1);
        let frames: Vec<(bool, Vec<usize>)> = (0..3_000).map(|_| camera.frame(false)).collect();
        let bytes: usize = frames.iter().flat_map(|(_, packets)| packets).sum();
        let rate = bytes * 8 * 30 / 3_000;
        assert!((1_450_000..1_600_000).contains(&rate), "{rate}");
        assert_eq!(frames.iter().filter(|(key, _)| *key).count(), 10);
        assert!(frames[0].0 && !frames[1].0);
        assert!(camera.frame(true).0);
        assert!(frames.iter().flat_map(|(_, packets)| packets).all(|size| (LEAST..=MOST).contains(size)));
    }
}
