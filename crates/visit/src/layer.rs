//! The sizes in which a page sends its picture.

use serde::{Deserialize, Serialize};

/// One of the encodings of a picture (simulcast, RFC 8853), the smallest first. Its name on the wire is also the
/// encoding's RTP stream identifier (`a=rid`, RFC 8851).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Layer {
    /// A quarter as wide and as high.
    #[serde(rename = "q")]
    Quarter,
    /// Half as wide and as high.
    #[serde(rename = "h")]
    Half,
    /// As the camera films.
    #[serde(rename = "f")]
    Full,
}

impl Layer {
    /// All of them, the smallest first.
    pub const ALL: [Self; 3] = [Self::Quarter, Self::Half, Self::Full];

    /// The RTP stream identifier.
    #[must_use]
    pub const fn rid(self) -> &'static str {
        match self {
            Self::Quarter => "q",
            Self::Half => "h",
            Self::Full => "f",
        }
    }

    /// The layer with this RTP stream identifier, if there is one.
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
