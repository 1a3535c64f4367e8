//! Simulcast layers.

use serde::{Deserialize, Serialize};

/// One simulcast encoding of a video (RFC 8853), ordered from smallest to largest. Its name on the wire is also the
/// encoding's RTP stream identifier (`a=rid`, RFC 8851).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Layer {
    /// A quarter of the camera's width and height.
    #[serde(rename = "q")]
    Quarter,
    /// Half of the camera's width and height.
    #[serde(rename = "h")]
    Half,
    /// The camera's full resolution.
    #[serde(rename = "f")]
    Full,
}

impl Layer {
    /// All layers, smallest first.
    pub const ALL: [Self; 3] = [Self::Quarter, Self::Half, Self::Full];

    /// Returns the RTP stream identifier.
    #[must_use]
    pub const fn rid(self) -> &'static str {
        match self {
            Self::Quarter => "q",
            Self::Half => "h",
            Self::Full => "f",
        }
    }

    /// Returns the layer with this RTP stream identifier, if any.
    #[must_use]
    pub fn of_rid(rid: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layer| layer.rid() == rid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_called_the_same_in_json_and_in_sdp() {
        for layer in Layer::ALL {
            assert_eq!(serde_json::to_string(&layer).expect("a name"), format!("\"{}\"", layer.rid()));
            assert_eq!(Layer::of_rid(layer.rid()), Some(layer));
        }
        assert_eq!(Layer::of_rid("x"), None);
    }
}
