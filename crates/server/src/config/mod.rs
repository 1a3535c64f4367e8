//! Configuration: one struct a section, each with defaults and `validate`.

mod media;

pub use media::MediaConfig;
