//! The cost of forwarding in instructions: a fixed trace, run under callgrind by `cargo xtask test cost`.

use super::world::*;
use crate::{Input, Output, Sfu, Transport};

/// Packets per frame, and frames per second.
const FRAME: usize = 6;
const FRAMES: usize = 30;

/// The only part that is counted. `tools/xtask/src/cost.rs` refers to this name.
#[inline(never)]
fn counted_trace(sfu: &mut Sfu, world_now: std::time::Instant, source: std::net::SocketAddr, trace: &[Vec<u8>]) -> u64 {
    let destination = SERVER_UDP.parse().unwrap();
    let mut sent = 0;
    for (at, contents) in (1_u32..).zip(trace) {
        // In batches of one frame, as a worker receives them.
        let now = world_now + std::time::Duration::from_micros(5000) * at;
        sfu.handle_input(now, Input::Datagram { transport: Transport::Udp, source, destination, contents });
        if !(at as usize).is_multiple_of(FRAME) {
            continue;
        }
        if sfu.next_deadline().is_some_and(|deadline| deadline <= now) {
            sfu.handle_input(now, Input::Timeout);
        }
        while let Some(output) = sfu.poll_output() {
            if let Output::Transmit(transmit) = output {
                sent += 1;
                sfu.recycle(transmit.contents);
            }
        }
    }
    sent
}

#[test]
#[ignore = "cargo xtask test cost counts its instructions"]
fn a_second_of_a_visit() {
    let (mut world, ann, bob) = World::two();
    world.talk(&[ann, bob], 500);
    world.pages[ann].captured = Some(Vec::new());
    for _ in 0..FRAMES {
        for _ in 1..FRAME {
            world.show_large(ann, 1100);
        }
        world.say(ann);
        world.run(33);
    }
    let source = world.pages[ann].address;
    let trace: Vec<_> = world.pages[ann].captured.take().unwrap();
    let trace: Vec<_> = trace.into_iter().filter(|datagram| datagram[0] >= 128 && datagram[1] & 0x7f >= 96).collect();
    let forwarded = world.sfu.statistics().forwarded_packets;
    let sent = counted_trace(&mut world.sfu, world.now, source, &trace);
    let forwarded = world.sfu.statistics().forwarded_packets - forwarded;
    assert!(forwarded >= (FRAME * FRAMES) as u64 - 5 && sent >= forwarded, "{forwarded} of {} packets", trace.len());
    println!("forwarded {forwarded}");
}
