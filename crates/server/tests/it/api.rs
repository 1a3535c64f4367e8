//! The API: the shape of the base contract, the same response for foreign and missing resources, problem details for
//! all errors.

use std::time::Duration;

use bedside_visit::AppointmentStatus;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Server, When};

#[tokio::test]
async fn an_appointment_has_the_shape_of_the_base_contract() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let reply = server.sign_in(&server.provider).await.get(&format!("/api/appointments/{}", visit.id)).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let body = reply.json();
    let datetime = body["data"]["datetime"].clone();
    let age = body["data"]["patient"]["age"].clone();
    let expected = json!({
        "success": true,
        "data": {
            "id": visit.id.to_string(),
            "datetime": datetime,
            "duration": 30,
            "type": "Follow-up",
            "reason": "Blood pressure check",
            "status": "booked",
            "provider": {
                "userId": server.provider.id().to_string(),
                "name": "Dr. Grace Hopper",
                "specialty": "Family medicine",
                "avatarUrl": null,
            },
            "patient": {
                "userId": server.patient.id().to_string(),
                "name": "Ada Lovelace",
                "age": age,
                "avatarUrl": null,
            },
            "call": {
                "backend": "embedded",
                "signalling": format!("/api/appointments/{}/signalling", visit.id),
                "timeZone": "UTC",
                "terms": null,
            },
        },
    });
    assert_eq!(body, expected);
    let text = datetime.as_str().expect("a text");
    let parsed: Timestamp = text.parse().expect("RFC 3339");
    assert_eq!(parsed.as_millisecond(), visit.start.as_millis());
    assert!(text.ends_with('Z'), "the time is in UTC: {text}");
    assert!(age.as_u64().is_some_and(|years| years >= 39), "the age is in whole years: {age}");
}

#[tokio::test]
async fn both_people_see_the_same() {
    let server = Server::start().await;
    let path = format!("/api/appointments/{}", server.book(When::Now).await.id);
    let by_link = server.client();
    let id = server.book(When::Now).await.id;
    by_link.join_by_link(&server.link(id).await).await;
    assert_eq!(by_link.get(&format!("/api/appointments/{id}")).await.status, 200);
    let (ada, grace) = (server.sign_in(&server.patient).await, server.sign_in(&server.provider).await);
    assert_eq!(ada.get(&path).await.json(), grace.get(&path).await.json());
}

#[tokio::test]
async fn what_is_not_known_is_null() {
    let server = Server::start().await;
    let person = server.add_person("Nemo", None).await.person;
    let visit = server.book_for(&person, &server.provider.person, When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let body = grace.get(&format!("/api/appointments/{}", visit.id)).await.json();
    assert_eq!(body["data"]["patient"]["age"], Value::Null);
}

#[tokio::test]
async fn age_follows_the_clinics_calendar() {
    // The patient's birthday begins in Kiritimati (UTC+14) while it is still the day before elsewhere.
    let server = Server::start_with(|config| config.clinic.time_zone = "Pacific/Kiritimati".to_owned()).await;
    server.clock.set_to_noon();
    let now = Timestamp::from_millisecond(bedside_visit::Clock::now(&*server.clock).as_millis()).expect("a time");
    let tomorrow = now.to_zoned(jiff::tz::TimeZone::UTC).date().tomorrow().expect("a day");
    let born = jiff::civil::date(tomorrow.year() - 40, tomorrow.month(), tomorrow.day().min(28));
    let mut person = server.add_person("Birthday", None).await.person;
    person.id = bedside_visit::UserId::new(uuid::Uuid::now_v7());
    person.birth_date = Some(bedside_visit::Private::new(born));
    let user = bedside_store::NewUser { person: person.clone(), email: None, password_hash: None };
    let mut transaction = server.store.begin().await.expect("begin");
    transaction.insert_user(&user, bedside_visit::Clock::now(&*server.clock)).await.expect("added");
    transaction.commit().await.expect("commit");
    let visit = server.book_for(&person, &server.provider.person, When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let body = grace.get(&format!("/api/appointments/{}", visit.id)).await.json();
    assert_eq!(body["data"]["patient"]["age"], 40, "noon in UTC is tomorrow there");
}

#[tokio::test]
async fn the_status_is_the_fhir_word() {
    let server = Server::start().await;
    let grace = server.sign_in(&server.provider).await;
    for (status, word) in [
        (AppointmentStatus::Arrived, "arrived"),
        (AppointmentStatus::Fulfilled, "fulfilled"),
        (AppointmentStatus::Cancelled, "cancelled"),
        (AppointmentStatus::NoShow, "noshow"),
    ] {
        let id = server.book(When::Now).await.id;
        let mut transaction = server.store.begin().await.expect("begin");
        assert!(transaction.update_appointment_status(id, status).await.expect("updated"));
        transaction.commit().await.expect("commit");
        let body = grace.get(&format!("/api/appointments/{id}")).await.json();
        assert_eq!(body["data"]["status"], word, "the participant can still see it");
    }
}

#[tokio::test]
async fn foreign_missing_and_malformed_are_answered_alike() {
    let server = Server::start().await;
    let id = server.book(When::Now).await.id.to_string();
    let client = server.sign_in(&server.other_provider).await;
    let foreign = client.get(&format!("/api/appointments/{id}")).await;
    assert_eq!((foreign.status, foreign.problem().as_str()), (404, "not-found"));
    let long = "a".repeat(4000);
    let ids = [
        "0192d3a0-7c1e-7000-8000-000000000001",
        "00000000-0000-0000-0000-000000000000",
        "1",
        "-1",
        "null",
        "%00",
        "%2e%2e",
        "..%2f..%2fetc%2fpasswd",
        "'%20OR%201=1--",
        &id.to_uppercase(),
        &id.replace('-', ""),
        &format!("{id}%20"),
        &long,
    ];
    for other in ids {
        let reply = client.get(&format!("/api/appointments/{other}")).await;
        assert_eq!((reply.status, &reply.body), (404, &foreign.body), "{other}");
        let headers = |reply: &crate::support::Reply| {
            let mut names: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
            names.sort();
            names
        };
        assert_eq!(headers(&reply), headers(&foreign), "{other}");
    }
}

#[tokio::test]
async fn every_fault_is_a_problem() {
    let server = Server::start().await;
    let id = server.book(When::Now).await.id;
    let grace = server.sign_in(&server.provider).await;
    let ada = server.sign_in(&server.patient).await;
    let (own, invites) = (format!("/api/appointments/{id}"), format!("/api/appointments/{id}/invites"));
    let large = vec![b' '; 65 * 1024];

    let cases = [
        (server.client().get(&own).await, 401, "not-signed-in"),
        (server.client().post_json(&invites, &json!({})).await, 401, "not-signed-in"),
        (ada.post_json(&invites, &json!({})).await, 403, "wrong-role"),
        (grace.get("/api/nothing").await, 404, "not-found"),
        (grace.get("/api/appointments/").await, 404, "not-found"),
        (grace.request(Method::DELETE, &own).send().await, 405, "method-not-allowed"),
        (grace.get(&invites).await, 405, "method-not-allowed"),
        (grace.request(Method::POST, &invites).body("application/json", large).send().await, 413, "too-large"),
        (grace.request(Method::POST, &invites).body("text/plain", "{}").send().await, 415, "unsupported-media-type"),
        (grace.request(Method::POST, &invites).send().await, 415, "unsupported-media-type"),
        (grace.request(Method::POST, &invites).body("application/json", "{").send().await, 400, "bad-request"),
        (grace.request(Method::POST, &invites).body("application/json", "").send().await, 400, "bad-request"),
        (grace.request(Method::POST, &invites).body("application/json", "\u{0}").send().await, 400, "bad-request"),
        (grace.post_json(&invites, &json!([1])).await, 400, "bad-request"),
        (grace.post_json(&invites, &json!({"role": "provider"})).await, 400, "bad-request"),
        (grace.get(&format!("{own}/signalling")).await, 400, "bad-request"),
    ];
    for (at, (reply, status, kind)) in cases.into_iter().enumerate() {
        assert_eq!((reply.status, reply.problem().as_str()), (status, kind), "case {at}: {}", reply.body);
    }
    let wrong_method = grace.request(Method::DELETE, &own).send().await;
    assert_eq!(wrong_method.header("allow"), Some("GET,HEAD"), "RFC 9110, section 15.5.6");
}

#[tokio::test]
async fn a_new_link_is_made_by_the_provider_alone_and_works() {
    let server = Server::start().await;
    let id = server.book(When::Now).await.id;
    let path = format!("/api/appointments/{id}/invites");
    let grace = server.sign_in(&server.provider).await;
    let reply = grace.post_json(&path, &json!({})).await;
    assert_eq!(reply.status, 200);
    let body = reply.json();
    let url = body["data"]["url"].as_str().expect("a link").to_owned();
    assert_eq!(body, json!({"success": true, "data": {"userId": server.patient.id().to_string(), "url": url}}));
    server.client().join_by_link(&url).await;

    let by_link = server.client();
    let other = grace.post_json(&path, &json!({})).await.json();
    by_link.join_by_link(other["data"]["url"].as_str().expect("a link")).await;
    assert_eq!(by_link.post_json(&path, &json!({})).await.problem(), "wrong-role");
    let james = server.sign_in(&server.other_provider).await;
    let foreign = james.post_json(&path, &json!({})).await;
    let missing = james.post_json(&path.replace(&id.to_string(), "nonsense"), &json!({})).await;
    assert_eq!((foreign.status, foreign.body), (404, missing.body));
    let log = server.audit().await;
    let made: Vec<_> = log.iter().filter(|row| row.action == "invite.created").collect();
    assert_eq!(made.len(), 2);
    assert!(made.iter().all(|row| row.actor == Some(server.provider.id()) && row.appointment == Some(id)));
}

#[tokio::test]
async fn a_link_is_valid_until_the_join_window_closes() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let body = grace.post_json(&format!("/api/appointments/{}/invites", visit.id), &json!({})).await.json();
    let link = body["data"]["url"].as_str().expect("a link").replace(&server.origin, "");
    server.clock.advance(Duration::from_secs(4 * 3600));
    assert_eq!(server.client().get(&link).await.status, 200);
    server.clock.advance(Duration::from_secs(3600));
    assert_eq!(server.client().get(&link).await.status, 403);
}
