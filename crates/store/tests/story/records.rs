//! What the store keeps for the program: jobs, copies, the audit log.

use bedside_store::{AuditEntry, Job, PasswordReset, ResetHash, Store};
use bedside_visit::AuditAction;

use crate::begin;
use crate::support;
use crate::support::{appointment_id, at, user_id, visit_id};

pub(crate) async fn jobs(store: &dyn Store) {
    let mail = |number: u128, user: Option<u128>| Job {
        id: uuid::Uuid::from_u128(number),
        user: user.map(user_id),
        kind: "reset".to_owned(),
        created_at: at(u64::try_from(number).unwrap()),
        tries: 0,
    };
    let (first, second) = (mail(1, Some(2)), mail(2, None));
    let mut transaction = begin(store).await;
    transaction.insert_job(&second).await.unwrap();
    transaction.insert_job(&first).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store.list_due_jobs(at(0), 9).await.unwrap(), []);
    assert_eq!(store.list_due_jobs(at(2), 9).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(store.list_due_jobs(at(2), 1).await.unwrap(), std::slice::from_ref(&first));
    let mut transaction = begin(store).await;
    assert!(transaction.postpone_job(first.id, at(60)).await.unwrap());
    assert!(transaction.delete_job(second.id).await.unwrap());
    assert!(!transaction.delete_job(second.id).await.unwrap());
    assert!(!transaction.postpone_job(second.id, at(60)).await.unwrap());
    transaction.commit().await.unwrap();
    assert_eq!(store.count_jobs().await.unwrap(), 1);
    assert_eq!(store.list_due_jobs(at(59), 9).await.unwrap(), []);
    assert_eq!(store.list_due_jobs(at(60), 9).await.unwrap(), [Job { tries: 1, ..first.clone() }]);
    // The link is created when the mail is sent. The job stays queued until then.
    let reset = PasswordReset {
        token_hash: ResetHash::new([77; 32]),
        user: user_id(2),
        created_at: at(60),
        expires_at: at(120),
    };
    let mut transaction = begin(store).await;
    transaction.replace_password_reset(&reset).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store.count_jobs().await.unwrap(), 1);
    // Pending reset mails are deleted together with the links.
    let mut transaction = begin(store).await;
    transaction.delete_password_resets_of(user_id(2)).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store.count_jobs().await.unwrap(), 0);
}

/// A backup contains everything as of that moment and is writable. An existing file is not overwritten.
pub(crate) async fn copies(store: &dyn Store, directory: &std::path::Path) {
    store.check_writable().await.unwrap();
    store.check_contents().await.unwrap();
    let (end, elsewhere) = (store.get_audit_end().await.unwrap(), directory.join("copy"));
    std::fs::create_dir(&elsewhere).unwrap();
    store.back_up(&elsewhere.join("bedside.db")).await.unwrap();
    assert!(store.back_up(&elsewhere.join("bedside.db")).await.is_err());
    let mut transaction = begin(store).await;
    transaction.append_restored(at(500), 17).await.unwrap();
    transaction.commit().await.unwrap();

    let copy = support::opened(&elsewhere, support::keyring(1, None)).await;
    copy.check_contents().await.unwrap();
    copy.check_writable().await.unwrap();
    assert_eq!(copy.get_audit_end().await.unwrap(), end);
    assert_eq!(copy.get_person(user_id(1)).await.unwrap(), store.get_person(user_id(1)).await.unwrap());
    let lines = store.list_audit(end.unwrap().0, 10).await.unwrap();
    assert_eq!(lines.iter().map(bedside_store::AuditRow::restored_over).collect::<Vec<_>>(), [Some(17)]);
    copy.close().await;
}

pub(crate) async fn audit(store: &dyn Store) {
    let started = AuditEntry::new(at(100), AuditAction::VisitStarted)
        .by(user_id(2))
        .about(user_id(1))
        .of_appointment(appointment_id(10))
        .of_visit(visit_id(19));
    // Denials are recorded even for appointments that do not exist.
    let denied =
        AuditEntry::new(at(99), AuditAction::AccessDenied).of_appointment(appointment_id(99)).with_detail("not_found");
    let mut transaction = begin(store).await;
    transaction.append_audit(&started).await.unwrap();
    transaction.append_audit(&denied).await.unwrap();
    transaction.commit().await.unwrap();

    let rows = store.list_audit(0, 10).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert!(0 < rows[0].sequence && rows[0].sequence < rows[1].sequence);
    assert_eq!((rows[0].at, rows[0].actor, rows[0].action.as_str()), (at(100), Some(user_id(2)), "visit.started"));
    assert_eq!((rows[0].appointment, rows[0].visit), (Some(appointment_id(10)), Some(visit_id(19))));
    assert_eq!((rows[0].subject, rows[1].subject), (Some(user_id(1)), None));
    assert_eq!((rows[1].actor, rows[1].visit, rows[1].detail.as_deref()), (None, None, Some("not_found")));
    assert_eq!(store.list_audit(0, 1).await.unwrap(), rows[..1]);
    assert_eq!(store.list_audit(rows[0].sequence, 10).await.unwrap(), rows[1..]);
    assert_eq!(rows[1].restored_over(), None);
}
