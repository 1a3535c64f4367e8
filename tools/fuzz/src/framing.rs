//! Fuzzes RFC 4571 framing: a stream split at any point yields the frames of the whole stream.
//!
//! Input: a length, that many chunk sizes, then the stream.

use bedside_sfu::rfc4571::{BadFrame, Decoder, MAX_FRAME, encode};

/// Runs one input.
///
/// # Panics
///
/// If an invariant is violated.
pub fn run(input: &[u8]) {
    let Some((count, rest)) = input.split_first() else { return };
    let (sizes, stream) = rest.split_at(rest.len().min(usize::from(*count)));

    let whole = decode(std::iter::once(stream));
    let single = decode(stream.chunks(1));
    assert_eq!(whole, single, "one byte at a time");
    assert_eq!(whole, decode(chunks(stream, sizes)), "cut anywhere");

    let (frames, outcome) = whole;
    let mut again = Vec::new();
    for frame in &frames {
        assert!((1..=MAX_FRAME).contains(&frame.len()));
        encode(frame, &mut again).expect("a decoded frame can be encoded");
    }
    assert!(stream.starts_with(&again), "encoding reverses decoding");
    if outcome.is_ok() {
        // The rest is the start of one frame.
        assert!(stream.len() - again.len() < MAX_FRAME + 2);
    }
}

fn decode<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Result<(), BadFrame>) {
    let mut decoder = Decoder::new();
    let mut frames = Vec::new();
    for chunk in chunks {
        if let Err(bad) = decoder.push(chunk, |frame| frames.push(frame.to_vec())) {
            return (frames, Err(bad));
        }
    }
    (frames, Ok(()))
}

/// Splits the stream by the sizes, repeated. Chunks may be empty.
fn chunks<'a>(stream: &'a [u8], sizes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = stream;
    let mut sizes = sizes.iter().cycle();
    let mut idle = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let size = sizes.next().map_or(rest.len(), |size| usize::from(*size));
        idle = if size == 0 { idle + 1 } else { 0 };
        let size = if idle > 255 { rest.len() } else { size };
        let (chunk, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        Some(chunk)
    })
}
