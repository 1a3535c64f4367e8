//! A whole visit in virtual time: the visit's state machine and the SFU together, as in the server, and the pages of
//! two users that connect to both over unreliable links.
//!
//! `cargo test -p bedside-sfu visit` runs a few seeds; see [`play_all`] for running thousands or repeating a failed
//! one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bedside_visit::signalling::{Command as Order, ServerMessage};
use bedside_visit::view::{Stage, View};
use bedside_visit::{CommandId, ConnectionId, PageId, Role};

use super::link::{Dice, Link, Weather};
use super::office::{Office, Up};
use super::seeds::play_all;
use super::world::*;

const TICK: u64 = 20;
/// Maximum age of an old packet in flight: the link's worst delay plus retransmission.
const ECHO: Duration = Duration::from_secs(3);
/// A page gives up a media connection that has not come up within this time.
const RENEW_AFTER: Duration = Duration::from_secs(8);
/// Time in milliseconds within which media must flow again after all impairments end: at the latest when the page has
/// given up a connection attempt made during them.
const HEALED_WITHIN: u64 = 12_000;
const GOOD: Weather = Weather { loss: 0, burst: 1, delay: 20, jitter: 0, duplicates: 0, down: false };

/// One direction of a signalling connection: ordered and reliable, but delayed.
struct Pipe<T> {
    items: VecDeque<(Instant, T)>,
    last: Option<Instant>,
}

impl<T> Pipe<T> {
    fn push(&mut self, now: Instant, delay: Duration, item: T) {
        let at = self.last.map_or(now + delay, |last| last.max(now + delay));
        self.last = Some(at);
        self.items.push_back((at, item));
    }

    fn pop(&mut self, now: Instant) -> Option<T> {
        let due = self.items.front().is_some_and(|(at, _)| *at <= now);
        if due { self.items.pop_front().map(|(_, item)| item) } else { None }
    }
}

/// A user with their page.
struct Guest {
    number: u128,
    role: Role,
    page: PageId,
    weather: Weather,
    connection: Option<ConnectionId>,
    retry: Option<Instant>,
    up: Pipe<(ConnectionId, Up)>,
    /// `None` in it: the server has closed the connection.
    down: Pipe<(ConnectionId, Option<ServerMessage>)>,
    view: Option<View>,
    heard: Option<u64>,
    catching_up: Option<u64>,
    unanswered: Vec<(CommandId, Order)>,
    /// Messages that were sent and acknowledged.
    said: Vec<String>,
    /// The simulated page and the server's ID of its media connection.
    media: Option<(usize, u64)>,
    made: Option<Instant>,
    /// Whether an offer is in flight.
    offering: bool,
    quiet: Option<Instant>,
    dark: Option<Instant>,
}

/// A scenario determined by a seed.
struct Story {
    office: Office,
    guests: Vec<Guest>,
    dice: Dice,
    names: u64,
    ticks: u64,
    told: bool,
}

impl Story {
    fn new(seed: u64, told: bool) -> Self {
        let guests = [(1, Role::Patient), (2, Role::Provider)].map(|(number, role)| Guest {
            number,
            role,
            page: PageId::try_from(format!("page-{number}")).unwrap(),
            weather: GOOD,
            connection: None,
            retry: None,
            up: Pipe { items: VecDeque::new(), last: None },
            down: Pipe { items: VecDeque::new(), last: None },
            view: None,
            heard: None,
            catching_up: None,
            unanswered: Vec::new(),
            said: Vec::new(),
            media: None,
            made: None,
            offering: false,
            quiet: None,
            dark: None,
        });
        let (office, dice) = (Office::new(), Dice::new(seed));
        let mut story = Self { office, guests: guests.into(), dice, names: 0, ticks: 0, told };
        (0..2).for_each(|at| story.connect(at));
        story
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.told {
            println!("{:>8} {}", self.office.world.elapsed().as_millis(), what());
        }
    }

    fn fresh(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    /// Returns the current delay of a message, including retransmission after loss.
    fn delay(&mut self, at: usize) -> Duration {
        let weather = self.guests[at].weather;
        let again = u64::from(self.dice.percent(weather.loss)) * (200 + self.dice.below(800));
        Duration::from_millis(weather.delay + self.dice.below(weather.jitter + 1) + again)
    }

    fn send(&mut self, at: usize, up: Up) {
        let Some(connection) = self.guests[at].connection else { return };
        let delay = self.delay(at);
        self.guests[at].up.push(self.office.world.now, delay, (connection, up));
    }

    fn connect(&mut self, at: usize) {
        let connection = ConnectionId(self.fresh());
        let guest = &mut self.guests[at];
        (guest.connection, guest.retry, guest.catching_up) = (Some(connection), None, None);
        let open = Up::Open { page: guest.page.clone(), after: guest.heard };
        self.send(at, open);
    }

    /// Breaks the connection: messages in flight are lost. The server notices at some time, or never.
    fn disconnect(&mut self, at: usize) {
        let (now, retry, notice) = (self.office.world.now, self.dice.below(1_500), self.dice.below(15_000));
        let noticed = self.dice.percent(70);
        let guest = &mut self.guests[at];
        guest.up.items.clear();
        guest.down.items.clear();
        guest.offering = false;
        guest.retry = Some(now + Duration::from_millis(retry));
        if let Some(connection) = guest.connection.take().filter(|_| noticed) {
            self.office.noticing.push((now + Duration::from_millis(notice), connection));
        }
    }

    /// The user reloads the page, on this device or on another.
    fn reload(&mut self, at: usize) {
        self.disconnect(at);
        let page = PageId::try_from(format!("page-{}", self.fresh())).unwrap();
        let guest = &mut self.guests[at];
        (guest.page, guest.view, guest.heard) = (page, None, None);
        guest.unanswered.clear();
        self.hang_up(at);
    }

    fn hang_up(&mut self, at: usize) {
        if let Some((page, _)) = self.guests[at].media.take() {
            self.office.world.pages[page].unplugged = true;
        }
        self.guests[at].offering = false;
    }

    fn command(&mut self, at: usize, command: Order) {
        let who = self.guests[at].number;
        self.say(|| format!("{who}: {command:?}"));
        let id = CommandId::try_from(format!("c{}", self.fresh())).unwrap();
        self.guests[at].unanswered.push((id.clone(), command.clone()));
        if self.guests[at].view.is_some() && self.guests[at].catching_up.is_none() {
            self.send(at, Up::Command { id, command });
        }
    }

    /// The signalling connection is open: the page joins and sends unanswered commands again.
    fn opened(&mut self, at: usize, greet: bool) {
        self.guests[at].catching_up = None;
        let unanswered = self.guests[at].unanswered.clone();
        if greet {
            self.command(at, Order::Enter);
        }
        for (id, command) in unanswered {
            self.send(at, Up::Command { id, command });
        }
        if self.guests[at].media.is_none() && !self.guests[at].offering {
            self.offer(at);
        }
    }

    fn offer(&mut self, at: usize) {
        if self.guests[at].connection.is_some() && self.guests[at].view.is_some() {
            self.guests[at].offering = true;
            self.send(at, Up::Offer);
        }
    }

    /// Processes a message as a page does.
    fn read(&mut self, at: usize, message: ServerMessage) {
        let guest = &mut self.guests[at];
        match message {
            ServerMessage::Snapshot { sequence, view, .. } => {
                (guest.view, guest.heard) = (Some(view), Some(sequence));
                guest.unanswered.retain(|(_, command)| *command != Order::Enter);
                self.opened(at, true);
            }
            ServerMessage::Resumed { sequence, latest, .. } => {
                assert_eq!(guest.heard, Some(sequence), "it resumes at the page's sequence number");
                guest.catching_up = Some(latest);
                if latest == sequence {
                    self.opened(at, false);
                }
            }
            ServerMessage::Changed { sequence, changes } => {
                assert_eq!(guest.heard.map(|heard| heard + 1), Some(sequence), "changes come in order");
                guest.heard = Some(sequence);
                let view = guest.view.as_mut().expect("a snapshot first");
                changes.into_iter().for_each(|change| view.apply(change));
                if guest.catching_up == Some(sequence) {
                    self.opened(at, false);
                }
            }
            ServerMessage::Acknowledged { id } => {
                if let Some(place) = guest.unanswered.iter().position(|(known, _)| *known == id)
                    && let (_, Order::Say { text }) = guest.unanswered.remove(place)
                {
                    guest.said.push(String::from(text));
                }
            }
            ServerMessage::Refused { id, .. } => guest.unanswered.retain(|(known, _)| *known != id),
            ServerMessage::MediaFailed { peer, .. } => {
                if guest.media.is_some_and(|(_, known)| known == u64::from(peer)) {
                    self.hang_up(at);
                    self.offer(at);
                }
            }
            ServerMessage::Answer { .. }
            | ServerMessage::Layers { .. }
            | ServerMessage::Speaking { .. }
            | ServerMessage::Pong
            | ServerMessage::Malformed { .. }
            | ServerMessage::Moved
            | ServerMessage::Admissions { .. }
            | ServerMessage::Stopping { .. } => {}
        }
    }

    /// Performs one random event.
    fn turn(&mut self) {
        let at = usize::try_from(self.dice.below(2)).unwrap();
        let who = self.guests[at].number;
        match self.dice.below(16) {
            0 | 1 => self.weather(at),
            2 => {
                let address = format!("203.0.113.{}:{}", 1 + self.dice.below(200), 1000 + self.fresh());
                self.say(|| format!("the NAT of {who} gives it {address}"));
                if let Some((page, _)) = self.guests[at].media {
                    self.office.world.pages[page].outside = address.parse().ok();
                }
            }
            3 | 4 => {
                self.say(|| format!("the signalling of {who} breaks"));
                self.disconnect(at);
            }
            5 => {
                self.say(|| format!("{who} reloads the page"));
                self.reload(at);
            }
            6 => {
                self.say(|| "the server is killed".to_owned());
                self.office.crash();
                for at in 0..2 {
                    self.disconnect(at);
                    self.hang_up(at);
                }
                self.office.noticing.clear();
            }
            7 | 8 => {
                let (microphone, camera) = (self.dice.percent(50), self.dice.percent(50));
                self.command(at, Order::SetMedia { microphone, camera });
            }
            9 | 10 => {
                let text = format!("{who} says {}", self.fresh());
                self.command(at, Order::Say { text: text.try_into().unwrap() });
            }
            11 => self.command(at, Order::Leave),
            12 => self.command(at, Order::Rejoin),
            13 | 14 => self.command(1, Order::Start),
            _ => self.command(1, Order::Cancel),
        }
        let length = 100 + self.dice.below(1_500);
        self.pass(length);
        self.check();
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
        let who = self.guests[at].number;
        self.say(|| format!("the link of {who}: {weather:?}"));
        self.set_weather(at, weather);
    }

    fn set_weather(&mut self, at: usize, weather: Weather) {
        self.guests[at].weather = weather;
        let page = self.guests[at].media.map(|(page, _)| page);
        if let Some(link) = page.and_then(|page| self.office.world.pages[page].link.as_mut()) {
            link.weather = weather;
        }
    }

    fn pass(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds / TICK {
            self.tick();
        }
    }

    fn tick(&mut self) {
        self.ticks += 1;
        for (page, _) in self.guests.iter().filter_map(|guest| guest.media) {
            if !self.office.world.pages[page].closed {
                self.office.world.say(page);
                if self.ticks.is_multiple_of(5) {
                    self.office.world.show(page, false);
                }
            }
        }
        self.office.world.run(TICK);
        self.office.turn();
        for at in 0..2 {
            self.exchange(at);
        }
        self.mark();
    }

    /// Delivers everything due on a user's signalling connection, in both directions.
    fn exchange(&mut self, at: usize) {
        let now = self.office.world.now;
        for (to, connection, message) in std::mem::take(&mut self.office.outbox) {
            let delay = self.delay(to);
            self.guests[to].down.push(now, delay, (connection, message));
        }
        if self.guests[at].retry.is_some_and(|retry| retry <= now) {
            self.connect(at);
        }
        if self.guests[at].weather.down {
            return;
        }
        while let Some((connection, up)) = self.guests[at].up.pop(now) {
            if let Some((page, peer)) = self.office.take(at, self.guests[at].role, connection, up) {
                self.answered(at, page, peer);
            }
        }
        while let Some((connection, message)) = self.guests[at].down.pop(now) {
            match message {
                _ if self.guests[at].connection != Some(connection) => {}
                Some(message) => self.read(at, message),
                None => self.disconnect(at),
            }
        }
        self.mend(at);
    }

    /// Processes the server's answer to an offer. A page closes the previous connection when the new one is up; here it
    /// does so immediately.
    fn answered(&mut self, at: usize, page: usize, peer: u64) {
        self.hang_up(at);
        let seed = self.dice.below(u64::MAX >> 34);
        let mut link = Link::new(seed);
        link.weather = self.guests[at].weather;
        self.office.world.pages[page].link = Some(link);
        self.guests[at].media = Some((page, peer));
        self.guests[at].made = Some(self.office.world.now);
    }

    /// Opens a media connection unless the user has left, and replaces one that has failed.
    fn mend(&mut self, at: usize) {
        let left = |view: &View| matches!(view.stage, Stage::Left { .. } | Stage::Ended { .. });
        if self.guests[at].view.as_ref().is_some_and(left) {
            return self.hang_up(at);
        }
        let Some((page, peer)) = self.guests[at].media else {
            if self.guests[at].catching_up.is_none() && !self.guests[at].offering {
                self.offer(at);
            }
            return;
        };
        let late = self.guests[at].made.is_some_and(|made| self.office.world.now - made >= RENEW_AFTER);
        let page = &self.office.world.pages[page];
        let dead = page.closed
            || page.ice == Some(str0m::IceConnectionState::Disconnected)
            || (late && !self.office.world.is_up(peer));
        let talks = self.guests[at].catching_up.is_none() && self.guests[at].connection.is_some();
        if dead && talks && !self.guests[at].offering {
            self.hang_up(at);
            self.offer(at);
        }
    }

    /// Records since when whose media may not be received.
    fn mark(&mut self) {
        let (now, visit) = (self.office.world.now, &self.office.visit);
        let both = visit.is_admitted(user(1)) && visit.is_admitted(user(2));
        for at in 0..2 {
            let (microphone, camera) = visit.published(user(2 - at as u128)).expect("a seat");
            let guest = &mut self.guests[at];
            guest.quiet = if both && microphone { None } else { guest.quiet.or(Some(now)) };
            guest.dark = if both && camera { None } else { guest.dark.or(Some(now)) };
        }
    }

    /// Checks the invariants.
    fn check(&mut self) {
        let now = self.office.world.now;
        assert_eq!(self.office.world.sfu.statistics().panics, 0, "str0m panicked");
        assert!(self.office.visit.record().participants.len() == 2);
        for at in 0..2 {
            let guest = &self.guests[at];
            let on_their_way = guest.up.items.len() + guest.down.items.len() + self.office.outbox.len();
            let idle = on_their_way == 0 && guest.catching_up.is_none();
            let connected = self.office.connections.iter().any(|(open, _)| Some(*open) == guest.connection);
            if idle && connected && guest.view.is_some() {
                let truth = self.office.visit.view(user(guest.number));
                assert_eq!(guest.view, truth, "the page of {} shows the current state", guest.number);
            }
            // A period is at most 1.6 s, so packets that arrived in it are younger.
            let over =
                |since: Option<Instant>| since.is_some_and(|since| now - since > ECHO + Duration::from_millis(1600));
            let (quiet, dark) = (over(guest.quiet), over(guest.dark));
            let (sound, pictures) = self.received(at);
            assert!(sound == 0 || !quiet, "{} receives audio that is off", at + 1);
            assert!(pictures == 0 || !dark, "{} receives video that is off", at + 1);
        }
        let mut texts: Vec<&str> = self.office.messages.iter().map(|message| message.text.reveal()).collect();
        texts.sort_unstable();
        assert!(texts.windows(2).all(|pair| pair[0] != pair[1]), "no message is duplicated: {texts:?}");
        for said in self.guests.iter().flat_map(|guest| &guest.said) {
            assert!(texts.contains(&said.as_str()), "{said} was acknowledged");
        }
    }

    /// Ends all impairments: both must be connected and receive media soon.
    fn heal(&mut self) {
        self.say(|| "all impairments end".to_owned());
        for at in 0..2 {
            self.set_weather(at, GOOD);
        }
        self.pass(2_000);
        for at in [0, 1] {
            self.command(at, Order::Rejoin);
            self.command(at, Order::SetMedia { microphone: true, camera: true });
        }
        self.command(1, Order::Start);
        let mut media = [(0, 0); 2];
        for _ in 0..HEALED_WITHIN / 1_000 {
            self.check();
            self.pass(1_000);
            media = [0, 1].map(|at| self.received(at));
            if media.iter().all(|(sound, pictures)| *sound >= 40 && *pictures >= 5) {
                break;
            }
        }
        self.pass(500);
        self.check();
        for guest in &self.guests {
            let Some((page, peer)) = guest.media else { continue };
            let (up, ice) = (self.office.world.is_up(peer), self.office.world.pages[page].ice);
            self.say(|| format!("{} is on connection {peer}: up {up}, {ice:?}", guest.number));
        }
        for (guest, (sound, pictures)) in self.guests.iter().zip(media) {
            let (number, stage) = (guest.number, guest.view.as_ref().map(|view| view.stage.clone()));
            assert!(matches!(stage, Some(Stage::Connected { .. })), "{number} is at {stage:?}");
            assert!(guest.unanswered.is_empty(), "{:?} has no answer", guest.unanswered);
            assert!(
                sound >= 40 && pictures >= 5,
                "{number} receives {sound} audio and {pictures} video packets in a second"
            );
        }
    }

    /// Returns the number of audio and video packets a page received since the last call.
    fn received(&mut self, at: usize) -> (usize, usize) {
        let Some((page, _)) = self.guests[at].media else { return (0, 0) };
        let world = &mut self.office.world;
        (world.take(page, |page| page.heard).len(), world.take(page, |page| page.seen).len())
    }
}

fn play(seed: u64, told: bool) {
    let mut story = Story::new(seed, told);
    story.pass(500);
    for _ in 0..12 {
        story.turn();
    }
    story.heal();
}

#[test]
fn a_visit_recovers_from_random_faults_and_forwards_only_permitted_media() {
    play_all("visit", 25, play);
}
