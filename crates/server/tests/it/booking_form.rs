//! Input at the front desk: what is confirmed, what is refused, and what is recognized as a repetition.

use std::collections::BTreeSet;

use bedside_visit::permission::ClinicRole;
use bedside_visit::{AppointmentId, Clock as _, OwnWork, Person, Timestamp};
use serde_json::json;

use crate::account::hidden;
use crate::support::database::Shell;
use crate::support::{Client, Page, Reply, Server, When};

/// After all appointments in these tests.
const FAR: Timestamp = Timestamp::from_millis(i64::MAX / 2);

/// The fields of a form.
type Fields<'a> = Vec<(&'a str, String)>;

struct Desk {
    server: Server,
    client: Client,
}

impl Desk {
    async fn new() -> Self {
        let server = Server::start().await;
        let account = server.add_clerk("Dorothy Vaughan", "dorothy@example.org", ClinicRole::Staff).await;
        let client = server.sign_in(&account).await;
        Self { server, client }
    }

    /// Returns a valid booking form.
    fn right(&self) -> Fields<'static> {
        let text = str::to_owned;
        vec![
            ("patient", String::new()),
            ("name", text("Zofia")),
            ("birth_date", text("1980-02-29")),
            ("provider", self.server.provider.id().to_string()),
            ("date", self.server.in_days(40)),
            ("time", text("12:00")),
            ("minutes", text("20")),
            ("type", text("First visit")),
            ("reason", text("A rash")),
        ]
    }

    async fn send(&self, changed: &[(&'static str, &str)]) -> Reply {
        let mut fields = self.right();
        for (name, value) in changed {
            match fields.iter_mut().find(|(known, _)| known == name) {
                Some(field) => field.1 = (*value).to_owned(),
                None => fields.push((name, (*value).to_owned())),
            }
        }
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.client.post("/book", &fields).await
    }

    async fn count(&self) -> (u64, u64) {
        let store = &self.server.store;
        (store.count_users().await.expect("read"), store.count_appointments().await.expect("read"))
    }

    async fn booked(&self, reply: &Reply) -> bedside_visit::Appointment {
        let id =
            reply.location().unwrap_or_else(|| panic!("booked: {}", reply.body)).rsplit('/').next().expect("an id");
        let id: AppointmentId = id.parse().expect("an id");
        self.server.store.get_appointment(id).await.expect("read").expect("there").unseal_for(OwnWork::Operator)
    }
}

/// Returns the fields that a page's error summary links to.
fn at_fault(reply: &Reply) -> BTreeSet<String> {
    assert_eq!(reply.status, 200, "{}", reply.body);
    let summary = reply.body.split("class=\"summary\"").nth(1).and_then(|rest| rest.split("</div>").next());
    let summary = summary.unwrap_or_else(|| panic!("a summary: {}", reply.body));
    summary.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

/// The wrong patient would be booked: the form asks which one is meant and keeps all input.
#[tokio::test]
async fn a_form_with_a_selected_and_a_new_patient_asks_which_one_is_meant() {
    let desk = Desk::new().await;
    let ada = desk.server.patient.id().to_string();
    let before = desk.count().await;
    for typed in [("name", "Zofia"), ("birth_date", "1980-02-29")] {
        let rest = if typed.0 == "name" { ("birth_date", "") } else { ("name", "") };
        let asked = desk.send(&[("patient", &ada), typed, rest]).await;
        assert_eq!(at_fault(&asked), BTreeSet::from(["patient".to_owned()]));
        for shown in ["You chose Ada Lovelace", &format!("value=\"{ada}\" selected"), typed.1] {
            assert!(asked.body.contains(shown), "{shown}: {}", asked.body);
        }
    }
    assert_eq!(desk.count().await, before);
    let booked = desk.send(&[("patient", &ada), ("name", " "), ("birth_date", "")]).await;
    assert_eq!(desk.booked(&booked).await.participants.patient.id, desk.server.patient.id());
}

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once() {
    let desk = Desk::new().await;
    let empty: Vec<(&str, &str)> = vec![("name", ""), ("provider", ""), ("date", ""), ("time", ""), ("type", "")];
    let faults = at_fault(&desk.send(&empty).await);
    assert_eq!(faults, ["name", "provider", "date", "time", "type"].map(str::to_owned).into());
    let wrong = [("name", "\u{3164}"), ("birth_date", "2099-01-01"), ("date", "0024-01-07"), ("minutes", "3")];
    assert_eq!(at_fault(&desk.send(&wrong).await), wrong.map(|(name, _)| name.to_owned()).into());
    assert_eq!(desk.client.post("/book", &[]).await.status, 200);
}

/// A year typed as 24, a future date of birth, a day in the past.
#[tokio::test]
async fn dates_that_cannot_be_meant_are_refused_everywhere() {
    let desk = Desk::new().await;
    let before = desk.count().await;
    let (yesterday, far) = (desk.server.in_days(-2), desk.server.in_days(800));
    for (date, words) in [("0024-01-07", "has passed"), (&yesterday, "has passed"), (&far, "two years ahead")] {
        let refused = desk.send(&[("date", date)]).await;
        assert_eq!(at_fault(&refused), BTreeSet::from(["date".to_owned()]), "{date}");
        assert!(refused.body.contains(words), "{date}: {}", refused.body);
        let body = json!({
            "patientId": desk.server.patient.id(), "providerId": desk.server.provider.id(),
            "datetime": format!("{date}T12:00:00Z"), "duration": 20, "type": "First visit",
        });
        let refused = desk.client.post_json("/api/appointments", &body).await;
        assert!(refused.status == 400 && refused.body.contains(words), "{date}: {}", refused.body);
    }
    let tomorrow_or_so = desk.server.in_days(3);
    for born in [tomorrow_or_so.as_str(), "1830-01-01", "0024-05-05"] {
        let refused = desk.send(&[("birth_date", born)]).await;
        assert_eq!(at_fault(&refused), BTreeSet::from(["birth_date".to_owned()]), "{born}");
        let body = json!({ "name": "Zofia", "birthDate": born });
        let refused = desk.client.post_json("/api/people", &body).await;
        assert!(refused.status == 400 && refused.body.contains("130 years"), "{born}: {}", refused.body);
    }
    assert_eq!(desk.count().await, before);
    // A visit that has already begun can be booked for a walk-in patient.
    let booked = desk.send(&[("date", &desk.server.in_days(0)), ("birth_date", &desk.server.in_days(0))]).await;
    assert!(booked.status == 303 || at_fault(&booked).contains("date"), "{}", booked.body);
}

#[tokio::test]
async fn two_visits_at_one_time_are_asked_about() {
    let desk = Desk::new().await;
    let (ada, mary) = (desk.server.patient.id().to_string(), desk.server.other_patient.id().to_string());
    let james = desk.server.other_provider.id().to_string();
    let known = [("name", ""), ("birth_date", "")];
    let first = [("patient", ada.as_str()), known[0], known[1]];
    assert_eq!(desk.send(&first).await.status, 303);
    // Overlaps of the provider's and of the patient's visits.
    let same_provider = [("patient", mary.as_str()), known[0], known[1], ("time", "12:10")];
    let same_patient = [("patient", ada.as_str()), ("provider", james.as_str()), known[0], known[1], ("time", "11:50")];
    for fields in [&same_provider[..], &same_patient[..]] {
        let asked = desk.send(fields).await;
        assert_eq!(asked.status, 200);
        for shown in [
            "another visit at that time",
            ">12:00</time> to <time ",
            ">12:20</time>",
            "<bdi>Ada Lovelace</bdi>",
            "name=\"overlap\"",
        ] {
            assert!(asked.body.contains(shown), "{shown}: {}", asked.body);
        }
    }
    // Consecutive visits do not overlap.
    let after = [("patient", mary.as_str()), known[0], known[1], ("time", "12:20")];
    assert_eq!(desk.send(&after).await.status, 303);
    assert_eq!(
        desk.send(&[&same_provider[..2], &same_provider[2..], &[("overlap", "yes")]].concat()).await.status,
        303
    );

    let mut body = json!({
        "patientId": ada, "providerId": james, "datetime": format!("{}T12:05:00Z", desk.server.in_days(40)),
        "duration": 20, "type": "First visit",
    });
    let refused = desk.client.post_json("/api/appointments", &body).await;
    assert_eq!((refused.status, refused.problem().as_str()), (409, "conflict"));
    body["allowOverlap"] = json!(true);
    assert_eq!(desk.client.post_json("/api/appointments", &body).await.status, 200);
}

/// A second click, a reload or a lost response.
#[tokio::test]
async fn a_form_that_comes_twice_is_done_once() {
    let desk = Desk::new().await;
    let shown = desk.client.get("/book").await;
    let key = hidden(&shown.body, "key");
    assert_ne!(key, hidden(&desk.client.get("/book").await.body, "key"));
    let before = desk.count().await;
    let again = [("key", key.as_str())];
    let send = || desk.send(&again);
    let (first, second, third) = tokio::join!(send(), send(), send());
    let later = desk.send(&[("key", &key)]).await;
    for reply in [&first, &second, &third, &later] {
        assert_eq!(reply.status, 303, "{}", reply.body);
        assert_eq!(reply.location(), first.location());
    }
    assert_eq!(desk.count().await, (before.0 + 1, before.1 + 1));
    // Going back and booking another patient with the same form creates another booking.
    let other = desk.send(&[("key", &key), ("name", "Maria"), ("time", "15:00")]).await;
    assert!(other.status == 303 && other.location() != first.location());

    let booking = first.location().expect("booked").to_owned();
    let key = hidden(&desk.client.get(&booking).await.body, "key");
    let fields = [("key", key.as_str()), ("name", "Ines"), ("role", "interpreter")];
    let path = format!("{booking}/companions");
    let before = desk.count().await;
    let (one, two) = tokio::join!(desk.client.post(&path, &fields), desk.client.post(&path, &fields));
    for reply in [&one, &two] {
        assert!(reply.status == 200 && reply.body.contains("A link for <bdi>Ines</bdi>"), "{}", reply.body);
    }
    assert_eq!(desk.count().await.0, before.0 + 1);
    assert_eq!(desk.booked(&first).await.participants.companions.len(), 1);
}

#[tokio::test]
async fn a_program_that_tries_again_has_asked_once() {
    let server = Server::start().await;
    let key = server.add_program("Records", "appointments:read appointments:write people:write").await;
    let program = server.program(&key).await;
    let send = |path: &'static str, key: &'static str, body: serde_json::Value| {
        let program = &program;
        async move {
            let request = program.request(reqwest::Method::POST, path).header("idempotency-key", key);
            request.json(&body).send().await
        }
    };
    let booking = json!({
        "patientId": server.patient.id(), "providerId": server.provider.id(), "duration": 30, "type": "Follow-up",
        "datetime": format!("{}T09:00:00Z", server.in_days(40)),
    });
    let (one, two) =
        tokio::join!(send("/api/appointments", "a", booking.clone()), send("/api/appointments", "a", booking.clone()));
    let three = send("/api/appointments", "a", booking.clone()).await;
    assert_eq!((one.status, two.status, three.status), (200, 200, 200), "{} {}", one.body, two.body);
    assert_eq!(one.json()["data"]["id"], two.json()["data"]["id"]);
    assert_eq!(one.json(), three.json());
    assert_eq!(server.store.count_appointments().await.expect("read"), 1);
    let mut other = booking.clone();
    other["duration"] = json!(45);
    let refused = send("/api/appointments", "a", other).await;
    assert_eq!((refused.status, refused.problem().as_str()), (422, "key-reused"));

    let people = server.store.count_users().await.expect("read");
    let person = json!({ "name": "Zofia", "birthDate": "1980-02-29" });
    let (one, two) = (send("/api/people", "a", person.clone()).await, send("/api/people", "a", person.clone()).await);
    assert_eq!(one.json(), two.json());
    assert_ne!(one.json(), send("/api/people", "b", person).await.json());
    assert_eq!(server.store.count_users().await.expect("read"), people + 2);
    let long = Box::leak("x".repeat(256).into_boxed_str());
    assert_eq!(send("/api/people", long, json!({ "name": "Zofia" })).await.status, 400);

    let id = three.json()["data"]["id"].as_str().expect("an id").to_owned();
    let path: &'static str = Box::leak(format!("/api/appointments/{id}/companions").into_boxed_str());
    let ines = json!({ "name": "Ines", "role": "interpreter" });
    let (one, two) = (send(path, "a", ines.clone()).await.json(), send(path, "a", ines).await.json());
    assert_eq!(one["data"]["userId"], two["data"]["userId"]);
    // A lost response showed its link to no user, so only the latest link is valid.
    let url = |made: &serde_json::Value| made["data"]["url"].as_str().expect("a link").to_owned();
    assert_ne!(url(&one), url(&two));
    let path = |link: String| link.replace(&server.origin, "");
    let shown = server.client().get(&path(url(&two))).await;
    assert!(shown.status == 200 && shown.body.contains("Ines"), "{}", shown.body);
    assert_eq!(server.client().get(&path(url(&one))).await.status, 404);
}

/// Wherever a name is entered: it must not be empty, and must not reverse adjacent text.
#[tokio::test]
async fn text_is_cleaned_of_what_cannot_be_seen_wherever_it_comes_in() {
    let desk = Desk::new().await;
    let (given, kept) = ("  Ada\u{202e}\u{200b} \u{0}Lovelace\r\n", "Ada Lovelace");
    let booked =
        desk.send(&[("name", given), ("type", "First\u{200b} visit"), ("reason", "A\u{0} rash\r\nsince")]).await;
    let booked = desk.booked(&booked).await;
    assert_eq!(booked.participants.patient.name.reveal(), kept);
    assert_eq!(booked.kind, "First visit");
    assert_eq!(booked.reason.as_ref().map(|reason| reason.reveal().as_str()), Some("A rash\nsince"));
    let person = async |body: serde_json::Value| desk.client.post_json("/api/people", &body).await;
    let made = person(json!({ "name": given, "specialty": "Surgery\u{7}\u{202e}" })).await;
    let id = made.json()["data"]["userId"].as_str().expect("an id").parse().expect("an id");
    let stored: Person = desk.server.store.get_person(id).await.expect("read").expect("there");
    assert_eq!((stored.name.reveal().as_str(), stored.specialty.as_deref()), (kept, Some("Surgery")));
    let visit = desk.server.book(When::Now).await;
    let (user, link) = desk.server.companion_link(visit.id, given, "guest").await;
    let guest = desk.server.client();
    guest.join_by_link(&link).await;
    let page = Page::open(&desk.server, &guest, visit.id).await;
    assert_eq!((page.view.you.user, page.view.you.name.reveal().as_str()), (user, kept));

    for nameless in ["\u{3164}", "\u{200b}\u{202e}", "...", "\u{0}"] {
        assert_eq!(at_fault(&desk.send(&[("name", nameless)]).await), BTreeSet::from(["name".to_owned()]));
        assert_eq!(person(json!({ "name": nameless })).await.status, 400, "{nameless:?}");
        let companions = format!("/booking/{}/companions", visit.id);
        let refused = desk.client.post(&companions, &[("name", nameless), ("role", "guest")]).await;
        assert_eq!(refused.status, 400, "{nameless:?}");
    }
    // Input that is not valid text.
    for body in ["name=Ada%ff&role=guest", "name=%c5&role=guest", "name=Ada%ef%bf%bd&role=guest"] {
        let path = format!("/booking/{}/companions", visit.id);
        let refused = desk.client.request(reqwest::Method::POST, &path);
        let refused = refused.body("application/x-www-form-urlencoded", body).send().await;
        assert_eq!(refused.status, 400, "{body}");
        assert!(refused.body.contains("type it again"), "{body}: {}", refused.body);
    }
}

/// A right-to-left name does not affect an adjacent date of birth, in lists and on pages.
#[tokio::test]
async fn names_are_isolated_from_what_stands_beside_them() {
    let desk = Desk::new().await;
    let name = "עדה לאבלייס";
    let booked = desk.send(&[("name", name)]).await;
    let list = desk.client.get("/book").await.body;
    assert!(list.contains(&format!(">\u{2068}{name}\u{2069}, born 29 February 1980<")), "{list}");
    let booking = desk.client.get(booked.location().expect("booked")).await.body;
    assert!(booking.contains(&format!("<title>Visit of \u{2068}{name}\u{2069}")), "{booking}");
    // In a page's text every name is isolated.
    let day = desk.client.get(&format!("/desk?day={}", desk.server.in_days(40))).await.body;
    for page in [&booking, &day] {
        for before in page.split(name).take(page.matches(name).count()) {
            let framed = before.ends_with("<bdi>") || before.ends_with('\u{2068}');
            let in_attribute = before.rsplit('<').next().is_some_and(|tag| tag.contains("=\"") && !tag.contains('>'));
            assert!(framed || in_attribute, "…{}", &before[before.len().saturating_sub(80)..]);
        }
    }
}

/// Fields accept what the form allows, up to their limits: line breaks, and characters of two UTF-16 units.
#[tokio::test]
async fn what_a_form_allows_is_taken() {
    let desk = Desk::new().await;
    let page = desk.client.get("/book").await.body;
    let fields: Vec<(&str, usize)> = page
        .split("<input ")
        .chain(page.split("<textarea "))
        .skip(1)
        .filter_map(|rest| rest.split('>').next())
        .filter_map(|tag| {
            let value = |name: &str| tag.split(&format!("{name}=\"")).nth(1)?.split('"').next();
            Some((value("name")?, value("maxlength")?.parse().ok()?))
        })
        .collect();
    assert_eq!(fields.len(), 3, "{fields:?}");
    let times = ["08:00", "09:00", "10:00", "11:00"];
    for (field, most) in fields {
        let field: &'static str = Box::leak(field.to_owned().into_boxed_str());
        let units = |text: &str| text.encode_utf16().count();
        let texts = ["a".repeat(most), "𝔸".repeat(most / 2), "\u{958}".repeat(most), "a\n".repeat(most / 2)];
        for (text, time) in texts.iter().zip(times) {
            assert!(units(text) <= most);
            // A browser sends a line break as two characters, but counts one.
            let sent = text.replace('\n', "\r\n");
            let reply = desk.send(&[(field, &sent), ("time", time), ("overlap", "yes")]).await;
            assert_eq!(reply.status, 303, "{field} {:?}…: {}", text.chars().next(), reply.body);
        }
    }
}

#[tokio::test]
async fn only_people_of_the_clinic_are_booked_as_providers() {
    let desk = Desk::new().await;
    let zofia = desk.server.add_person("Zofia", None).await;
    let refused = desk.send(&[("provider", &zofia.id().to_string())]).await;
    assert!(refused.status == 200 && refused.body.contains("Choose a provider."), "{}", refused.body);
    let program = desk.server.add_program("Records", "appointments:read appointments:write").await;
    let program = desk.server.program(&program).await;
    let booking = |provider: String| {
        json!({
            "patientId": desk.server.patient.id(), "providerId": provider, "duration": 30, "type": "Follow-up",
            "datetime": format!("{}T12:05:00Z", desk.server.in_days(40)),
        })
    };
    let refused = program.post_json("/api/appointments", &booking(zofia.id().to_string())).await;
    assert_eq!((refused.status, refused.problem().as_str()), (400, "bad-request"), "{}", refused.body);
    assert_eq!(desk.count().await.1, 0);
    assert!(desk.client.get("/book").await.body.contains("Zofia"), "she is still in the list of patients");
    let booked = program.post_json("/api/appointments", &booking(desk.server.provider.id().to_string())).await;
    assert_eq!(booked.status, 200, "{}", booked.body);
}

#[tokio::test]
async fn what_the_form_for_companions_allows_is_taken() {
    let desk = Desk::new().await;
    for text in ["a", "𝔸", "\u{958}"] {
        let visit = desk.server.book(When::Now).await;
        let page = desk.client.get(&format!("/booking/{}", visit.id)).await.body;
        let tag = page.split("<input ").find(|tag| tag.contains("name=\"name\"")).expect("the field");
        let most = tag.split("maxlength=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a limit");
        let most: usize = most.parse().expect("a number");
        let name = text.repeat(most / text.encode_utf16().count());
        let fields = [("key", &*hidden(&page, "key")), ("name", &name), ("role", "guest")];
        let made = desk.client.post(&format!("/booking/{}/companions", visit.id), &fields).await;
        assert!(made.status == 200 || made.status == 303, "{text}: {}", made.body);
        let sealed = desk.server.store.get_appointment(visit.id).await.expect("read").expect("there");
        assert_eq!(sealed.unseal_for(OwnWork::Operator).participants.companions.len(), 1, "{text}");
    }
}

/// A change is atomic: here its last part cannot be written.
#[tokio::test]
async fn a_change_that_fails_half_way_leaves_nothing() {
    let desk = Desk::new().await;
    let mut shell = Shell::open(&desk.server.database()).await;
    shell.run("CREATE TRIGGER broken BEFORE INSERT ON client_keys BEGIN SELECT RAISE(ABORT, 'broken'); END").await;
    let before = desk.count().await;
    let scopes = "appointments:read".parse().expect("scopes");
    assert!(desk.server.operator().add_integrator("Portal", scopes).await.is_err());
    assert_eq!(desk.count().await, before, "no user without a key is left");

    shell.run("CREATE TRIGGER broken_too BEFORE INSERT ON appointments BEGIN SELECT RAISE(ABORT, 'broken'); END").await;
    assert_eq!(desk.send(&[]).await.status, 500);
    assert_eq!(desk.count().await, before, "no new patient without an appointment is left");

    let visit_count = before.1;
    shell.run("DROP TRIGGER broken_too").await;
    assert_eq!(desk.send(&[]).await.status, 303);
    assert_eq!(desk.count().await, (before.0 + 1, visit_count + 1));
    let mut booked = desk.server.store.list_bookings(None, desk.server.clock.now(), FAR).await.expect("read");
    let id = booked.remove(0).unseal_for(OwnWork::Operator).id;
    let page = desk.client.get(&format!("/booking/{id}")).await.body;
    shell.run("CREATE TRIGGER broken_again BEFORE INSERT ON invites BEGIN SELECT RAISE(ABORT, 'broken'); END").await;
    let fields = [("key", &*hidden(&page, "key")), ("name", "Ines"), ("role", "guest")];
    assert_eq!(desk.client.post(&format!("/booking/{id}/companions"), &fields).await.status, 500);
    assert_eq!(desk.count().await, (before.0 + 1, visit_count + 1), "no companion without a link is left");
}
