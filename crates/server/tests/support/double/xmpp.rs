//! The rooms of the calls SDK: XMPP over WebSocket (RFC 7395), multi-user chat (XEP-0045), and a focus that accepts
//! every conference. No bridge offers media.

use axum::extract::ws::{Message, WebSocket};
use tokio::sync::mpsc;

use super::{Shared, lock};

/// An occupant of a room.
pub(super) struct Occupant {
    nick: String,
    jid: String,
    owner: bool,
    /// The children of their presence stanza.
    said: String,
    outbox: mpsc::UnboundedSender<String>,
}

/// One user's connection.
struct Stream {
    state: Shared,
    outbox: mpsc::UnboundedSender<String>,
    domain: String,
    jid: String,
    signed_in: bool,
    /// The room, and the occupant's name in it.
    place: Option<(String, String)>,
}

pub(super) async fn run(state: Shared, mut socket: WebSocket) {
    let (outbox, mut frames) = mpsc::unbounded_channel::<String>();
    let mut stream = Stream { state, outbox, domain: String::new(), jid: String::new(), signed_in: false, place: None };
    loop {
        tokio::select! {
            frame = frames.recv() => {
                let Some(frame) = frame else { break };
                if socket.send(Message::text(frame)).await.is_err() {
                    break;
                }
            }
            message = socket.recv() => {
                let Some(Ok(Message::Text(text))) = message else {
                    if matches!(message, Some(Ok(_))) { continue }
                    break;
                };
                if !stream.take(&text) {
                    break;
                }
            }
        }
    }
    stream.leave();
}

const CLIENT: &str = "jabber:client";
const MUC: &str = "http://jabber.org/protocol/muc";
const MUC_USER: &str = "http://jabber.org/protocol/muc#user";

impl Stream {
    /// Processes a stanza. Returns false if the stream has ended.
    fn take(&mut self, text: &str) -> bool {
        let Ok(document) = roxmltree::Document::parse(text) else { return true };
        let root = document.root_element();
        let attribute = |name: &str| root.attribute(name).unwrap_or_default().to_owned();
        match root.tag_name().name() {
            "open" => self.open(attribute("to")),
            "auth" => {
                self.signed_in = true;
                self.send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>".to_owned());
            }
            "close" => {
                self.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>".to_owned());
                return false;
            }
            "iq" => self.query(text, &attribute("id"), &attribute("to"), &attribute("type")),
            "presence" if attribute("type") == "unavailable" => self.leave(),
            "presence" => self.appear(root, &attribute("to")),
            "message" => self.relay(text, &attribute("to")),
            _ => {}
        }
        true
    }

    fn send(&self, frame: String) {
        let _ = self.outbox.send(frame);
    }

    fn open(&mut self, domain: String) {
        self.domain = domain;
        self.send(format!(
            "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='{}' id='s' version='1.0' xml:lang='en'/>",
            self.domain
        ));
        let features = if self.signed_in {
            "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>"
        } else {
            "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>ANONYMOUS</mechanism></mechanisms>"
        };
        self.send(format!(
            "<stream:features xmlns:stream='http://etherx.jabber.org/streams' xmlns='{CLIENT}'>{features}</stream:features>"
        ));
    }

    fn query(&mut self, text: &str, id: &str, to: &str, kind: &str) {
        if !matches!(kind, "get" | "set") {
            return;
        }
        if to.contains("@conference.") && to.contains('/') {
            return self.relay(text, to);
        }
        let domain = &self.domain;
        let inner = if text.contains("xmpp-bind") {
            self.jid = format!("u{}@{domain}/r", lock(&self.state).number());
            format!("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>{}</jid></bind>", self.jid)
        } else if text.contains("http://jitsi.org/protocol/focus") {
            format!("<conference xmlns='http://jitsi.org/protocol/focus' ready='true' focusjid='focus@auth.{domain}'/>")
        } else if text.contains("disco#info") {
            "<query xmlns='http://jabber.org/protocol/disco#info'><identity category='server' type='im' name='double'/>\
             <feature var='http://jabber.org/protocol/disco#info'/><feature var='urn:xmpp:ping'/></query>"
                .to_owned()
        } else if text.contains("extdisco") {
            "<services xmlns='urn:xmpp:extdisco:2'/>".to_owned()
        } else if text.contains("muc#owner") && kind == "get" {
            "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='form'>\
             <field type='hidden' var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>\
             <field type='text-single' var='muc#roomconfig_whois'><value>anyone</value></field></x></query>"
                .to_owned()
        } else {
            String::new()
        };
        let from = if to.is_empty() { &self.domain } else { to };
        self.send(format!(
            "<iq xmlns='{CLIENT}' type='result' id='{}' from='{from}' to='{}'>{inner}</iq>",
            escaped(id),
            self.jid
        ));
    }

    /// Joins a room, or updates the presence in it.
    fn appear(&mut self, presence: roxmltree::Node<'_, '_>, to: &str) {
        let Some((room, nick)) = to.split_once('/') else { return };
        let (room, nick) = (room.to_owned(), nick.to_owned());
        let text = presence.document().input_text();
        let own = |child: &roxmltree::Node<'_, '_>| child.is_element() && child.tag_name().namespace() != Some(MUC);
        let said: String = presence.children().filter(own).map(|child| &text[child.range()]).collect();
        let mut state = lock(&self.state);
        let occupants = state.rooms.entry(room.clone()).or_default();
        let fresh = occupants.iter().all(|other| other.nick != nick);
        if fresh {
            for other in occupants.iter() {
                self.send(other.presence(&room, &self.jid, ""));
            }
            let owner = occupants.is_empty();
            let outbox = self.outbox.clone();
            occupants.push(Occupant { nick: nick.clone(), jid: self.jid.clone(), owner, said: String::new(), outbox });
            self.place = Some((room.clone(), nick.clone()));
        }
        let Some(at) = occupants.iter().position(|other| other.nick == nick) else { return };
        occupants[at].said = said;
        let made = if fresh && occupants[at].owner { "<status code='201'/>" } else { "" };
        for other in occupants.iter() {
            let codes = if other.nick == nick { format!("<status code='110'/>{made}") } else { String::new() };
            let _ = other.outbox.send(occupants[at].presence(&room, &other.jid, &codes));
        }
    }

    fn leave(&mut self) {
        let Some((room, nick)) = self.place.take() else { return };
        let mut state = lock(&self.state);
        let occupants = state.rooms.entry(room.clone()).or_default();
        for other in occupants.iter() {
            let own = if other.nick == nick { "<status code='110'/>" } else { "" };
            let _ = other.outbox.send(format!(
                "<presence xmlns='{CLIENT}' type='unavailable' from='{room}/{nick}' to='{}'>\
                 <x xmlns='{MUC_USER}'><item affiliation='none' role='none'/>{own}</x></presence>",
                other.jid
            ));
        }
        occupants.retain(|other| other.nick != nick);
    }

    /// Relays a stanza to one occupant or to all.
    fn relay(&self, text: &str, to: &str) {
        let Some((room, own)) = &self.place else { return };
        let wanted = to.split_once('/').map(|(_, nick)| nick);
        let state = lock(&self.state);
        for other in state.rooms.get(room).into_iter().flatten() {
            if wanted.is_none_or(|nick| nick == other.nick) {
                let _ = other.outbox.send(addressed(text, &format!("{room}/{own}"), &other.jid));
            }
        }
    }
}

impl Occupant {
    fn presence(&self, room: &str, to: &str, codes: &str) -> String {
        let (affiliation, role) = if self.owner { ("owner", "moderator") } else { ("member", "participant") };
        format!(
            "<presence xmlns='{CLIENT}' from='{room}/{}' to='{to}'>{}<x xmlns='{MUC_USER}'>\
             <item affiliation='{affiliation}' role='{role}' jid='{}'/>{codes}</x></presence>",
            self.nick, self.said, self.jid
        )
    }
}

/// Returns a stanza with another sender and receiver.
fn addressed(text: &str, from: &str, to: &str) -> String {
    let Ok(document) = roxmltree::Document::parse(text) else { return String::new() };
    let root = document.root_element();
    let name = root.tag_name().name();
    let kept: String = root
        .attributes()
        .filter(|attribute| !["from", "to"].contains(&attribute.name()))
        .map(|attribute| format!(" {}='{}'", attribute.name(), escaped(attribute.value())))
        .collect();
    let inner: String = root.children().map(|child| &text[child.range()]).collect();
    format!("<{name} xmlns='{CLIENT}' from='{from}' to='{to}'{kept}>{inner}</{name}>")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;")
}
