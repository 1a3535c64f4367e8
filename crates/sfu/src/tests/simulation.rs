//! Users who join, leave, change addresses and are muted, over unreliable links, in virtual time.
//!
//! `cargo test -p bedside-sfu simulation` runs a few seeds; `SEEDS=5000` runs that many, and `SEED=17` runs one with
//! verbose output. Use `--release` for thousands.

use std::time::{Duration, Instant};

use super::link::{Dice, Link, Weather};
use super::seeds::play_all;
use super::world::*;
use crate::*;

/// Maximum age of an old packet in flight: the link's worst delay plus retransmission.
const ECHO: Duration = Duration::from_secs(3);
/// Time in milliseconds within which media must flow again after all impairments end.
const HEALED_WITHIN: u64 = 6_000;

/// A user with the permissions set by the server.
struct Person {
    user: u128,
    /// The user they receive media from.
    other: u128,
    page: usize,
    peer: u64,
    forwarding: Forwarding,
    /// Since when their audio and their video have been off, according to the server.
    quiet: Option<Instant>,
    dark: Option<Instant>,
}

/// A scenario determined by a seed.
struct Story {
    world: World,
    people: Vec<Person>,
    dice: Dice,
    peers: u64,
    addresses: u16,
    told: bool,
}

impl Story {
    fn new(seed: u64, told: bool) -> Self {
        let mut dice = Dice::new(seed);
        let count = 2 + u128::from(dice.below(3));
        let mut story = Self { world: World::new(), people: Vec::new(), dice, peers: 0, addresses: 1000, told };
        for user in 1..=count {
            let forwarding = Forwarding { admitted: story.dice.percent(70), ..EVERYTHING };
            let other = user % count + 1;
            let (page, peer) = story.connect(user, other, forwarding);
            story.people.push(Person { user, other, page, peer, forwarding, quiet: None, dark: None });
        }
        story.mark();
        story
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.told {
            println!("{:>8} {}", self.world.elapsed().as_millis(), what());
        }
    }

    fn connect(&mut self, user: u128, other: u128, forwarding: Forwarding) -> (usize, u64) {
        self.peers += 1;
        let page = self.world.join(self.peers, user, other, forwarding);
        self.world.pages[page].link = Some(Link::new(self.dice.below(u64::MAX >> 34)));
        self.world.pages[page].link.as_mut().expect("just made").weather = Weather { delay: 5, ..Weather::default() };
        (page, self.peers)
    }

    /// Opens a new connection of the user's page. The previous one continues, or its page is closed.
    fn rejoin(&mut self, at: usize) {
        let Person { user, other, page, peer, forwarding, .. } = self.people[at];
        let closed = self.dice.percent(50);
        self.say(|| {
            format!("{user} connects again; the former page ({peer}) {}", if closed { "is gone" } else { "stays" })
        });
        if closed {
            self.world.pages[page].unplugged = true;
        }
        // The offer may be stale, from a time when the user's media was on.
        let stale =
            if self.dice.percent(30) { Forwarding { admitted: forwarding.admitted, ..EVERYTHING } } else { forwarding };
        let weather = self.world.pages[page].link.as_ref().map(|link| link.weather).unwrap_or_default();
        let known = self.world.gone(peer).is_none();
        let (page, peer) = self.connect(user, other, if known { stale } else { forwarding });
        if let Some(link) = &mut self.world.pages[page].link {
            link.weather = weather;
        }
        (self.people[at].page, self.people[at].peer) = (page, peer);
    }

    /// Performs one random event.
    fn turn(&mut self) {
        let at = usize::try_from(self.dice.below(self.people.len() as u64)).expect("few people");
        let user = self.people[at].user;
        match self.dice.below(12) {
            0 | 1 => self.weather(at),
            2 => {
                self.addresses += 1;
                let address = format!("203.0.113.{}:{}", self.addresses % 200, self.addresses);
                self.say(|| format!("the NAT of {user} gives it {address}"));
                let page = self.people[at].page;
                self.world.pages[page].outside = address.parse().ok();
            }
            3 => self.rejoin(at),
            4 => {
                self.people[at].forwarding.admitted ^= true;
                self.order(at);
            }
            5 | 6 => {
                self.people[at].forwarding.microphone ^= true;
                self.order(at);
            }
            7 | 8 => {
                self.people[at].forwarding.camera ^= true;
                self.order(at);
            }
            9 => {
                let peer = self.people[at].peer;
                self.say(|| format!("{user} leaves"));
                self.world.command(Command::Leave { peer: PeerId(peer) });
            }
            10 => {
                let peer = self.people[at].peer;
                if self.world.gone(peer).is_none() && self.world.is_up(peer) {
                    self.say(|| format!("{user} restarts ICE"));
                    self.peers += 1;
                    self.world.restart_without_answer(self.people[at].page, peer, ice(10_000 + self.peers));
                }
            }
            _ => (),
        }
        let length = 100 + self.dice.below(1500);
        self.talk(length);
    }

    fn weather(&mut self, at: usize) {
        let dice = &mut self.dice;
        let weather = Weather {
            loss: dice.below(4) * 10,
            burst: 1 + dice.below(3),
            delay: 1 + dice.below(120),
            jitter: dice.below(40),
            duplicates: dice.below(3) * 5,
            down: dice.percent(30),
        };
        let Person { user, page, .. } = self.people[at];
        self.say(|| format!("the link of {user}: {weather:?}"));
        if let Some(link) = &mut self.world.pages[page].link {
            link.weather = weather;
        }
    }

    fn order(&mut self, at: usize) {
        let Person { user: who, forwarding, .. } = self.people[at];
        let Forwarding { admitted, microphone, camera } = forwarding;
        self.say(|| format!("{who}: {forwarding:?}"));
        self.world.command(Command::Admit { room: room(), user: user(who), admitted });
        self.world.command(Command::Publish { room: room(), user: user(who), microphone, camera });
        self.mark();
    }

    /// Records since when whose media may not be received.
    fn mark(&mut self) {
        let now = self.world.now;
        let admitted = |people: &[Person], user| people.iter().any(|p| p.user == user && p.forwarding.admitted);
        for at in 0..self.people.len() {
            let person = &self.people[at];
            // The participant this one receives media from.
            let other = self.people.iter().find(|p| p.user == person.other).expect("a participant");
            let both = person.forwarding.admitted && admitted(&self.people, other.user);
            let (heard, seen) = (both && other.forwarding.microphone, both && other.forwarding.camera);
            let person = &mut self.people[at];
            person.quiet = if heard { None } else { person.quiet.or(Some(now)) };
            person.dark = if seen { None } else { person.dark.or(Some(now)) };
        }
    }

    fn talk(&mut self, milliseconds: u64) {
        let pages: Vec<usize> = (0..self.world.pages.len()).filter(|page| !self.world.pages[*page].closed).collect();
        let before = self.world.sfu.statistics().forwarded_packets;
        self.world.talk(&pages, milliseconds);
        self.check(before);
    }

    /// Checks the invariants.
    fn check(&mut self, forwarded_before: u64) {
        let statistics = self.world.sfu.statistics();
        assert_eq!(statistics.panics, 0, "str0m panicked");
        assert!(statistics.peers as usize <= 2 * self.people.len(), "{} peers", statistics.peers);
        assert!(statistics.rooms <= 1);
        let sizes = self.world.sfu.sizes();
        assert!(sizes.iter().all(|size| *size <= 64 * self.people.len()), "tables grow: {sizes:?}");
        if self.people.iter().filter(|person| person.forwarding.admitted).count() < 2 {
            assert_eq!(
                statistics.forwarded_packets, forwarded_before,
                "nothing is forwarded unless two users are admitted"
            );
        }
        let now = self.world.now;
        for at in 0..self.people.len() {
            let Person { user, page, quiet, dark, .. } = self.people[at];
            let over = |since: Option<Instant>| since.is_some_and(|since| now - since > ECHO);
            let sound = self.world.take(page, |page| page.heard).len();
            let pictures = self.world.take(page, |page| page.seen).len();
            assert!(sound == 0 || !over_since(quiet, now, over), "{user} receives audio that is off");
            assert!(pictures == 0 || !over_since(dark, now, over), "{user} receives video that is off");
        }
    }

    /// Ends all impairments: media must flow to everyone soon.
    fn heal(&mut self) {
        self.say(|| "all impairments end".to_owned());
        for at in 0..self.people.len() {
            self.people[at].forwarding = EVERYTHING;
            self.order(at);
            let Person { page, peer, .. } = self.people[at];
            if let Some(link) = &mut self.world.pages[page].link {
                link.weather = Weather { delay: 20, ..Weather::default() };
            }
            let lost = self.world.gone(peer).is_some() || self.world.pages[page].closed || !self.world.is_up(peer);
            if lost || self.world.pages[page].unplugged {
                self.rejoin(at);
                let page = self.people[at].page;
                self.world.pages[page].link.as_mut().expect("a link").weather =
                    Weather { delay: 20, ..Weather::default() };
            }
        }
        for _ in 0..HEALED_WITHIN / 500 {
            self.talk(500);
        }
        self.world.forget_media();
        let pages: Vec<usize> = self.people.iter().map(|person| person.page).collect();
        self.world.talk(&pages, 1000);
        for at in 0..self.people.len() {
            let Person { user, page, peer, .. } = self.people[at];
            let sound = self.world.take(page, |page| page.heard).len();
            let pictures = self.world.take(page, |page| page.seen).len();
            let gone = self.world.gone(peer);
            assert!(
                sound >= 40 && pictures >= 5,
                "{user} ({peer}, {gone:?}) receives {sound} audio and {pictures} video packets"
            );
        }
    }
}

/// Returns whether the state was over before the period just simulated began.
fn over_since(since: Option<Instant>, now: Instant, over: impl Fn(Option<Instant>) -> bool) -> bool {
    // A period is at most 1.6 s, so packets that arrived in it are younger.
    since.is_some_and(|since| now - since > ECHO + Duration::from_millis(1600)) && over(since)
}

fn play(seed: u64, told: bool) {
    let mut story = Story::new(seed, told);
    story.talk(500);
    for _ in 0..12 {
        story.turn();
    }
    story.heal();
}

#[test]
fn media_recovers_from_random_faults_and_reaches_only_permitted_users() {
    play_all("simulation", 25, play);
}
