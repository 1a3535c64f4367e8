//! Tests of the SFU in virtual time, with two pages and no sockets. Everything runs over both packet paths.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::wildcard_enum_match_arm, clippy::duplicate_mod)]

mod alike;

macro_rules! over {
    ($way:ident, $path:expr) => {
        #[path = "."]
        mod $way {
            const PATH: crate::PacketPath = $path;

            mod company;
            mod cost;
            mod hostile;
            mod layers;
            mod link;
            mod media;
            mod office;
            mod roaming;
            mod seeds;
            mod simulation;
            mod visit;
            pub(in crate::tests) mod world;
        }
    };
}

over!(short, crate::PacketPath::Short);
over!(str0m, crate::PacketPath::Str0m);
