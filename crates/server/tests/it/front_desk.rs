//! The front desk's pages: the clinic's day, booking, links and disabled accounts.

use bedside_visit::permission::ClinicRole;

use crate::support::{Client, Page, Reply, Server, When};

async fn dorothy(server: &Server) -> Client {
    let account = server.add_clerk("Dorothy Vaughan", "dorothy@example.org", ClinicRole::Staff).await;
    server.sign_in(&account).await
}

/// Ada's date of birth, machine-readable and as text.
const BORN: &str = "born <time datetime=\"1985-12-10\" data-local=\"birth\">10 December 1985</time>";

fn assert_page(reply: &Reply, words: &[&str]) {
    assert!(reply.status == 200 && reply.is_page(), "{}", reply.body);
    for word in words {
        assert!(reply.body.contains(word), "{word}: {}", reply.body);
    }
}

/// Returns the link shown on a page.
fn link_of(server: &Server, page: &Reply) -> String {
    let begin = page.body.find(&format!("{}/v/", server.origin)).expect("a link");
    page.body[begin..].split('"').next().expect("its end").to_owned()
}

#[tokio::test]
async fn a_visit_is_booked_and_its_patient_gets_in() {
    let server = Server::start().await;
    server.clock.set_to_noon();
    let desk = dorothy(&server).await;
    assert_eq!(desk.get("/").await.location(), Some("/desk"));
    assert_page(&desk.get("/desk").await, &["No visits are booked for this day", "/book?day="]);

    let form = desk.get("/book").await;
    assert_page(
        &form,
        &[
            "data-born=\"1985-12-10\"",
            "A new patient",
            "Dr. Grace Hopper, Family medicine",
            "Ada Lovelace, born 10 December 1985",
        ],
    );
    assert!(!form.body.contains("<option value=\"\">Dr."), "providers are not listed as patients");
    let now = bedside_visit::Clock::now(&*server.clock);
    let date = jiff::Timestamp::from_millisecond(now.as_millis()).expect("a time").to_string()[..10].to_owned();
    let provider = server.provider.id().to_string();
    let fields = [
        ("patient", ""),
        ("name", "Zofia Zażółć"),
        ("birth_date", "1980-02-29"),
        ("provider", &provider),
        ("date", &date),
        ("time", "12:00"),
        ("minutes", "20"),
        ("type", "First visit"),
        ("reason", "A rash"),
    ];
    let booked = desk.post("/book", &fields).await;
    let booking = booked.location().expect("booked").to_owned();
    assert_page(
        &desk.get(&booking).await,
        &["Zofia Zażółć", "<bdi>First visit</bdi>, 20 minutes", "A rash", "Dr. Grace Hopper"],
    );
    assert_page(&desk.get("/desk").await, &["Zofia Zażółć", "with <bdi>Dr. Grace Hopper</bdi>", &booking]);
    let tomorrow = desk.get("/desk?day=2031-01-07").await;
    assert_page(&tomorrow, &["No visits are booked for this day", "Tuesday, 7 January 2031"]);

    let id: bedside_visit::AppointmentId = booking.rsplit('/').next().expect("an id").parse().expect("an id");
    let stored = server.store.get_appointment(id).await.expect("read").expect("it is there");
    let stored = stored.unseal_for(bedside_visit::OwnWork::Operator);
    let patient = stored.participants.patient.id.to_string();
    let made = desk.post(&format!("{booking}/link"), &[("user", &patient)]).await;
    assert_page(&made, &["A link for <bdi>Zofia Zażółć</bdi>", "data:image/svg+xml"]);
    let zofia = server.client();
    zofia.join_by_link(&link_of(&server, &made)).await;
    Page::open(&server, &zofia, id).await;
    assert!(!desk.get(&booking).await.body.contains("/v/"), "a link is shown once");

    let by_provider = desk.post(&format!("{booking}/link"), &[("user", &provider)]).await;
    assert_eq!(by_provider.status, 400, "there are no links for providers");
    assert_eq!(desk.post(&format!("{booking}/cancel"), &[]).await.location(), Some(booking.as_str()));
    assert_page(&desk.get(&booking).await, &["Cancelled"]);
    assert_eq!(zofia.get(&format!("/video-call/patient?appointmentId={id}")).await.status, 403);
    let log = server.audit().await;
    let clerk = log.iter().find(|row| row.action == "appointment.added").expect("written down").actor;
    assert!(clerk.is_some());
    for action in ["user.added", "invite.created", "appointment.cancelled", "appointment.viewed"] {
        assert!(log.iter().any(|row| row.action == action && row.actor == clerk), "{action}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_beside_the_field_and_nothing_is_lost() {
    let server = Server::start().await;
    let desk = dorothy(&server).await;
    let (provider, day) = (server.provider.id().to_string(), server.in_days(40));
    let right = [
        ("patient", ""),
        ("name", "Zofia <b>"),
        ("birth_date", ""),
        ("provider", &*provider),
        ("date", &*day),
        ("time", "12:00"),
        ("minutes", "20"),
        ("type", "First visit"),
        ("reason", "A rash"),
    ];
    let people = server.store.count_users().await.expect("read");
    for (field, value, shown) in [
        ("name", "", "name"),
        ("birth_date", "yesterday", "birth_date"),
        ("provider", "", "provider"),
        ("patient", "nobody", "patient"),
        ("date", "2031-02-30", "date"),
        ("time", "25:00", "time"),
        ("minutes", "3", "minutes"),
        ("type", " ", "type"),
        ("reason", &"x".repeat(2001), "reason"),
    ] {
        let fields: Vec<_> =
            right.iter().map(|(name, old)| (*name, if *name == field { value } else { *old })).collect();
        let again = desk.post("/book", &fields).await;
        assert_page(&again, &["The visit is not booked yet", &format!("href=\"#{shown}\"")]);
        if field != "name" {
            assert!(again.body.contains("value=\"Zofia &#60;b&#62;\""), "{}", again.body);
        }
    }
    assert_eq!(server.store.count_users().await.expect("read"), people, "no user was added");
    assert_eq!(server.store.count_appointments().await.expect("read"), 0);
    assert_eq!(desk.post("/book", &right).await.status, 303);
}

#[tokio::test]
async fn others_come_by_links_of_their_own() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let booking = format!("/booking/{}", visit.id);
    let day = grace.get("/").await;
    assert_page(&day, &[&format!("href=\"{booking}\"")]);
    let made = grace.post(&format!("{booking}/companions"), &[("name", "Ines"), ("role", "interpreter")]).await;
    assert_page(&made, &["A link for <bdi>Ines</bdi>", "Interpreter"]);
    let ines = server.client();
    ines.join_by_link(&link_of(&server, &made)).await;
    Page::open(&server, &ines, visit.id).await;
    for role in ["patient", "provider", "admin"] {
        let refused = grace.post(&format!("{booking}/companions"), &[("name", "Eve"), ("role", role)]).await;
        assert_eq!(refused.status, 400, "{role}");
    }
    assert!(!grace.get(&booking).await.body.contains("Cancel this visit"), "only the front desk can cancel");
}

/// Two users have the same name, and a link may already have been sent: the page asks first, and names the user.
#[tokio::test]
async fn links_are_replaced_and_revoked_and_people_removed_only_after_a_question() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let desk = dorothy(&server).await;
    let booking = format!("/booking/{}", visit.id);
    let ada = server.patient.id().to_string();
    let sent = link_of(&server, &desk.post(&format!("{booking}/link"), &[("user", &ada)]).await);
    let sure = [("user", ada.as_str()), ("sure", "true")];

    // A new link: nothing has changed yet, and the sent one works.
    let asked = desk.post(&format!("{booking}/link"), &[("user", &ada)]).await;
    assert_page(
        &asked,
        &["Replace the link of <bdi>Ada Lovelace</bdi>?", BORN, "Patient", "name=\"sure\" value=\"true\""],
    );
    assert!(!asked.body.contains("/v/"), "{}", asked.body);
    assert_eq!(server.client().get(sent.trim_start_matches(&server.origin)).await.status, 200);
    let made = link_of(&server, &desk.post(&format!("{booking}/link"), &sure).await);
    assert_eq!(server.client().get(sent.trim_start_matches(&server.origin)).await.status, 404, "replaced");

    let client = server.client();
    client.join_by_link(&made).await;
    let page_of_visit = format!("/appointment/{}", visit.id);
    let asked = desk.post(&format!("{booking}/revoke"), &[("user", &ada)]).await;
    assert_page(&asked, &["Revoke the links of <bdi>Ada Lovelace</bdi>?", BORN, "Visit on <time "]);
    assert_eq!(client.get(&page_of_visit).await.status, 200, "nothing has changed yet");
    // A new link does not replace a used one, so nothing is asked.
    assert_page(&desk.post(&format!("{booking}/link"), &[("user", &ada)]).await, &["A link for"]);
    assert_eq!(desk.post(&format!("{booking}/revoke"), &sure).await.location(), Some(booking.as_str()));
    assert_ne!(client.get(&page_of_visit).await.status, 200);

    let added = desk.post(&format!("{booking}/companions"), &[("name", "Ines"), ("role", "interpreter")]).await;
    let ines =
        added.body.split("aria-label=\"Remove: Ines\"").next().and_then(|before| before.rsplit("value=\"").next());
    let ines = ines.and_then(|rest| rest.split('"').next()).expect("her id").to_owned();
    let asked = desk.post(&format!("{booking}/revoke"), &[("user", &ines)]).await;
    assert_page(&asked, &["Remove <bdi>Ines</bdi>?", "Interpreter", "comes with Ada Lovelace"]);
    assert_page(&desk.get(&booking).await, &["<bdi>Ines</bdi>"]);
    desk.post(&format!("{booking}/revoke"), &[("user", &ines), ("sure", "true")]).await;
    assert!(!desk.get(&booking).await.body.contains("Ines"));
    // Providers see ages, not dates of birth.
    let grace = server.sign_in(&server.provider).await;
    let asked = grace.post(&format!("{booking}/revoke"), &[("user", &ada)]).await;
    assert_page(&asked, &["Revoke the links of", "years old"]);
    assert!(!asked.body.contains("1985"), "{}", asked.body);
}

#[tokio::test]
async fn an_administrator_shuts_people_out_and_lets_them_in_again() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let florence = server.add_clerk("Florence Nightingale", "florence@example.org", ClinicRole::Admin).await;
    let admin = server.sign_in(&florence).await;
    let ada = server.sign_in(&server.patient).await;
    let mut page = Page::open(&server, &ada, visit.id).await;
    assert_page(
        &admin.get("/people").await,
        &["Ada Lovelace", "administrator · signs in as florence@example.org", "Family medicine", BORN],
    );
    let id = server.patient.id().to_string();
    let set = |disabled: &'static str, id: String| {
        let admin = &admin;
        async move { admin.post("/people", &[("user", &id), ("disabled", disabled), ("sure", "true")]).await }
    };
    // The page asks for confirmation and names the user.
    let asked = admin.post("/people", &[("user", &id), ("disabled", "true")]).await;
    assert_page(&asked, &["Disable the account of <bdi>Ada Lovelace</bdi>?", BORN, "signs in as ada@example.org"]);
    assert_eq!(admin.get("/people").await.body.matches("Enable account").count(), 0);
    assert_eq!(set("true", id.clone()).await.location(), Some("/people"));
    assert!(matches!(page.ending().await, crate::support::Ending::Code(4401)));
    assert_page(&admin.get("/people").await, &["Disabled", "Enable account: Ada Lovelace"]);
    assert_eq!(server.client().try_sign_in("ada@example.org", crate::support::PASSWORD).await.status, 200);
    assert_eq!(set("false", id).await.location(), Some("/people"));
    server.sign_in(&server.patient).await;
    assert_eq!(set("true", florence.id().to_string()).await.status, 400, "administrators cannot disable themselves");
}

#[tokio::test]
async fn a_removed_clinic_role_loses_access_immediately() {
    let server = Server::start().await;
    let desk = dorothy(&server).await;
    assert_eq!(desk.get("/desk").await.status, 200);
    server.operator().set_clinic_role("dorothy@example.org", None).await.expect("taken away");
    assert_eq!(desk.get("/desk").await.status, 403);
}

/// A button's accessible name contains the displayed time, in the reader's time zone too.
#[tokio::test]
async fn a_time_is_the_same_in_text_and_name_and_the_zone_is_named() {
    let server = Server::start_with(|config| config.clinic.time_zone = "America/New_York".to_owned()).await;
    let desk = dorothy(&server).await;
    let visit = server.book(When::Now).await;
    let day = desk.get("/desk").await;
    let (id, body) = (visit.id, &day.body);
    assert!(body.contains(&format!("aria-labelledby=\"o-{id} n-{id} t-{id}\"")), "{body}");
    for (element, own) in [("a", "o"), ("h2", "n"), ("time", "t")] {
        assert!(body.contains(&format!("<{element} ")) && body.contains(&format!("id=\"{own}-{id}\"")), "{body}");
    }
    assert_page(&day, &["data-zone=\"America/New_York\"", "<body class=\"page page--staff\" data-now=\"20"]);
    let form = desk.get("/book").await;
    assert_page(&form, &["New York time (UTC−", "the clinic's time"]);
    let booking = desk.get(&format!("/booking/{id}")).await;
    assert_page(&booking, &["data-zone=\"America/New_York\""]);
    let told = desk.get(&format!("/api/appointments/{id}")).await.json();
    assert_eq!(told["data"]["call"]["timeZone"], "America/New_York");
}
