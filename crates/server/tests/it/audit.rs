//! The audit log for operators: all tampering is detected, and other programs can read the log.

use std::fs;

use serde_json::Value;

use crate::desk::{Desk, Serving, free_port};

/// Runs the program briefly, which writes a signed head.
fn serve(desk: &Desk) {
    Serving::start(desk, &["serve"], free_port()).terminate();
}

#[test]
fn audit_verification_detects_missing_and_altered_lines() {
    let desk = Desk::new();
    desk.add_user("Grace Hopper", "grace@example.org");
    serve(&desk);
    let said = desk.run(&["audit", "verify"]).worked();
    assert_eq!(said, "1 lines verified; 1 signed heads match");
    let database = desk.path("data/bedside.db");
    let (earlier, heads) = (fs::read(&database).expect("read"), desk.path("data/bedside.heads"));

    desk.add_user("Ada Lovelace", "ada@example.org");
    serve(&desk);
    let said = desk.run(&["audit", "verify"]).worked();
    assert_eq!(said, "2 lines verified; 2 signed heads match");

    let signed = fs::read_to_string(&heads).expect("read");
    fs::write(&heads, format!("{signed}{{\"sequence\":3,\"ha")).expect("written");
    desk.run(&["audit", "verify"]).worked();
    fs::write(&heads, signed.replacen("\"sequence\":2", "\"sequence\":3", 1)).expect("written");
    let said = desk.run(&["audit", "verify"]).refused();
    // A program that stops while a head is written writes it again: a line may have two heads.
    let altered =
        1 + signed.lines().position(|line| line.contains("\"sequence\":2")).expect("a head of the second line");
    assert!(said.contains(&format!("line {altered} of the head file is not signed with the current key")), "{said}");
    fs::write(&heads, &signed).expect("written");

    fs::write(&database, earlier).expect("written");
    let said = desk.run(&["audit", "verify"]).refused();
    assert!(said.contains("ends at line 1, but 2 lines were signed"), "{said}");
    // The same number of lines, but different lines.
    desk.add_user("Someone Else", "else@example.org");
    let said = desk.run(&["audit", "verify", "--heads", &heads]).refused();
    assert!(said.contains("line 2 of the audit log, or an earlier line, differs from what was signed"), "{said}");
}

#[test]
fn the_log_is_exported_for_other_programs() {
    let desk = Desk::new();
    let id = desk.add_user("Grace Hopper", "grace@example.org");
    let patient = desk.run(&["user", "add", "--name", "Ada Lovelace"]).worked();
    let (appointment, _) = desk.book(&["--provider", &id, "--patient", &patient, "--at", "now"], &[]);
    let lines = |arguments: &[&str]| -> Vec<Value> {
        let out = desk.run(&[&["audit", "export"], arguments].concat()).worked();
        out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let all = lines(&[]);
    assert_eq!(
        all.iter().map(|line| line["sequence"].as_i64()).collect::<Vec<_>>(),
        [Some(1), Some(2), Some(3), Some(4)]
    );
    assert_eq!((&all[0]["action"], &all[0]["subject"]), (&Value::from("user.added"), &Value::from(id.as_str())));
    assert!(all.iter().all(|line| line["actor"].is_null()), "the operator is not a user of the clinic");
    assert!(all.iter().all(|line| line["hash"].as_str().is_some_and(|hash| hash.len() == 64)));
    assert_eq!(lines(&["--after", "2"]), all[2..]);

    let events = lines(&["--format", "fhir"]);
    let added = events.iter().find(|event| event["subtype"][0]["code"] == "appointment.added").expect("the booking");
    assert_eq!((added["resourceType"].as_str(), added["action"].as_str()), (Some("AuditEvent"), Some("C")));
    let named = |entity: &Value| {
        let identifier = &entity["what"]["identifier"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&identifier["system"]), text(&identifier["value"]), text(&entity["type"]["display"]))
    };
    let entities: Vec<_> = added["entity"].as_array().expect("entities").iter().map(named).collect();
    let [person, booked] = entities.as_slice() else { panic!("{entities:?}") };
    assert_eq!(*person, ("urn:bedside:user".to_owned(), patient.clone(), "Person".to_owned()));
    assert_eq!((&*booked.0, &booked.1), ("urn:bedside:appointment", &appointment));
    assert!(events.iter().all(|event| event["agent"][0]["name"] == "the operator"), "the operator is the agent");
    assert!(events.iter().all(|event| {
        event["recorded"].as_str().is_some_and(|at| at.ends_with('Z'))
            && event["agent"][0]["requestor"].is_boolean()
            && event["source"]["observer"]["display"] == "Bedside"
            && event["outcome"] == "0"
    }));
    let out = desk.run(&["audit", "export", "--format", "fhir"]).worked();
    assert!(!out.contains("Ada") && !out.contains("grace@"), "only IDs are exported");
}
