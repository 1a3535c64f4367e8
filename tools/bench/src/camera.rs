//! Sizes of video frames, and their packetization.

use fastrand::Rng;

use crate::payload::LEAST;

/// Frames per second.
pub(crate) const RATE: u32 = 30;
/// Maximum payload size in bytes. With headers and encryption a packet stays below 1,200 bytes.
const MOST: usize = 1_130;
/// Maximum number of frames between keyframes.
const KEY_EVERY: u32 = 300;
/// Size of a keyframe relative to other frames.
const KEY_FACTOR: usize = 5;

/// One encoding of a video.
#[derive(Debug, Clone)]
pub(crate) struct Camera {
    /// Mean frame size in bytes.
    mean: usize,
    since_key: u32,
    dice: Rng,
}

impl Camera {
    /// Creates an encoding with a bit rate in bits per second.
    pub(crate) fn new(bitrate: u32, seed: u64) -> Self {
        let mean = usize::try_from(bitrate / 8 / RATE).unwrap_or(MOST);
        // The first frame is a keyframe.
        Self { mean, since_key: KEY_EVERY, dice: Rng::with_seed(seed) }
    }

    /// Returns whether the next frame is a keyframe, as it must be if one is `wanted`, and the sizes of its packets.
    pub(crate) fn frame(&mut self, wanted: bool) -> (bool, Vec<usize>) {
        let key = wanted || self.since_key >= KEY_EVERY;
        self.since_key = if key { 1 } else { self.since_key + 1 };
        let bytes = if key { self.mean * KEY_FACTOR } else { self.mean * self.dice.usize(70..=130) / 100 };
        (key, cut(bytes.max(LEAST)))
    }
}

/// Splits a frame like libwebrtc: into the fewest packets, as equal as possible, larger ones last.
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
