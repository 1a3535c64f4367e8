//! Compares both packet paths: pages must receive the same over either.

use super::short::world::{Received, World, room, user};
use crate::{Command, PacketPath};

/// An event of a visit, the same on both paths.
#[derive(Debug, Clone, Copy)]
enum Step {
    Talk(u64),
    Publish { microphone: bool, camera: bool },
    Admit(bool),
    Silence(u64),
}

fn play(path: PacketPath, steps: &[Step], loss: Option<usize>) -> (World, [Vec<Received>; 2]) {
    let (mut world, ann, bob) = World::two_over(path);
    world.pages[ann].loss = loss;
    for step in steps {
        match *step {
            Step::Talk(ms) => world.talk(&[ann, bob], ms),
            Step::Publish { microphone, camera } => {
                world.command(Command::Publish { room: room(), user: user(1), microphone, camera });
            }
            Step::Admit(admitted) => world.command(Command::Admit { room: room(), user: user(2), admitted }),
            Step::Silence(ms) => world.run(ms),
        }
    }
    // Packets lost at the end are retransmitted.
    world.pages[ann].loss = None;
    world.run(1000);
    let received = [ann, bob].map(|page| std::mem::take(&mut world.pages[page].received));
    (world, received)
}

/// Everything a page can observe of packets, per stream; the payload type identifies the section. The second payload
/// byte depends on when exactly a keyframe was requested, which is not part of forwarding.
fn told(received: &[Received]) -> Vec<(u8, u64, u32, &[u8])> {
    let tell = |packet: &'_ Received| (packet.pt, packet.sequence, packet.timestamp);
    let mut told: Vec<_> = received.iter().map(|packet| (tell(packet), packet.payload.get(2..).unwrap())).collect();
    told.sort();
    told.into_iter().map(|((pt, sequence, timestamp), payload)| (pt, sequence, timestamp, payload)).collect()
}

#[test]
fn pages_receive_packet_for_packet_the_same() {
    let publish = |microphone, camera| Step::Publish { microphone, camera };
    let steps = [
        Step::Talk(1000),
        publish(false, true),
        Step::Talk(400),
        publish(true, false),
        Step::Talk(400),
        Step::Silence(700),
        publish(true, true),
        Step::Talk(500),
        Step::Admit(false),
        Step::Talk(300),
        Step::Admit(true),
        Step::Talk(500),
    ];
    let (short, over_short) = play(PacketPath::Short, &steps, None);
    let (_, over_str0m) = play(PacketPath::Str0m, &steps, None);
    for (short, str0m) in over_short.iter().zip(&over_str0m) {
        assert!(short.len() > 100, "{} packets", short.len());
        let (short, str0m) = (told(short), told(str0m));
        let differs = short.iter().zip(&str0m).find(|(one, other)| one != other);
        assert_eq!((differs, short.len()), (None, str0m.len()));
    }
    assert!(short.sfu.goes_short(1) && short.sfu.goes_short(2));
}

#[test]
fn what_is_lost_is_mended_to_the_same() {
    let steps = [Step::Talk(3000)];
    let pictures = |path| {
        let (world, received) = play(path, &steps, Some(9));
        let counted = world.sfu.statistics();
        let mended = counted.nacks_sent > 0 && counted.nacks_received > 0 && counted.resent_packets > 0;
        assert_eq!(mended, path == PacketPath::Short, "{counted:?}");
        let seen = received.iter().zip(&world.pages).map(|(received, page)| {
            let of_pictures = received.iter().filter(|packet| packet.mid == page.seen);
            let mut numbers: Vec<_> = of_pictures.map(|packet| packet.sequence).collect();
            numbers.sort_unstable();
            numbers
        });
        seen.collect::<Vec<_>>()
    };
    let (short, str0m) = (pictures(PacketPath::Short), pictures(PacketPath::Str0m));
    assert!(short.iter().all(|pictures| pictures.len() >= 30), "{short:?}");
    assert_eq!(short, str0m);
}
