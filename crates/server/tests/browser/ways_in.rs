//! The ways to sign in, as users perform them.

use crate::gallery::Findings;
use crate::people::{Clinic, sign_in};
use crate::support::PASSWORD;
use crate::support::mail::MailServer;
use crate::support::provider::Provider;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_passkey_is_added_used_and_removed() {
    let clinic = Clinic::open().await;
    let mut findings = Findings::default();
    let window = clinic.profile().await.window().await;
    window.holds_passkeys().await;
    window.open("/account").await;
    sign_in(&window, &clinic.server.provider).await;
    window.press("Add a passkey").await;
    window.fill("passkey-current", "not the password").await;
    window.press("Continue on this device").await;
    window.sees("Wrong password").await;
    window.open("/account").await;
    window.press("Add a passkey").await;
    window.fill("passkey-name", " at work").await;
    window.fill("passkey-current", PASSWORD).await;
    window.press("Continue on this device").await;
    window.sees("Your passkey is ready.").await;
    window.sees("at work").await;
    findings.look(&window, "account-passkey").await;
    // The device reports that it already has a passkey.
    window.press("Add a passkey").await;
    window.fill("passkey-current", PASSWORD).await;
    window.press("Continue on this device").await;
    window.sees("This device has a passkey for you already.").await;

    window.press("Sign out").await;
    window.until("location.pathname === '/sign-in'", "sign-in").await;
    window.press("Sign in with a passkey").await;
    window.until("location.pathname === '/'", "the day").await;
    window.sees("Dr. Grace Hopper").await;

    window.open("/account").await;
    window.press("Remove").await;
    let field: String = window.eval("document.querySelector('details[open] input[name=current]').id").await;
    window.fill(&field, PASSWORD).await;
    findings.look(&window, "account-passkey-remove").await;
    window.press("Remove this passkey").await;
    window.sees("The passkey is removed.").await;
    window.press("Sign out").await;
    window.until("location.pathname === '/sign-in'", "sign-in").await;
    window.press("Sign in with a passkey").await;
    window.sees("This passkey does not work here").await;
    findings.look(&window, "sign-in-passkey-refused").await;
    findings.none();
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn every_way_has_its_page() {
    let (mail, provider) = (MailServer::start().await, Provider::start().await);
    let (mail_config, provider_config) = (mail.config(), provider.config());
    let clinic = Clinic::with(|all| {
        all.mail = Some(mail_config);
        all.oidc = Some(provider_config);
        all.clinic.name = "Riverside Clinic".to_owned();
    })
    .await;
    let mut findings = Findings::default();
    let window = clinic.profile().await.window().await;
    window.open("/sign-in").await;
    window.sees("Sign in with a passkey").await;
    findings.look(&window, "sign-in-ways").await;
    window.open("/sign-in?done=use-passkey").await;
    window.sees("Sign in with your passkey.").await;
    findings.look(&window, "sign-in-use-passkey").await;
    window.press("Forgot your password?").await;
    window.sees("send you a link").await;
    findings.look(&window, "forgotten").await;
    window.fill("email", "grace@example.org").await;
    window.press("Send me the link").await;
    window.sees("Check your e-mail").await;
    findings.look(&window, "forgotten-asked").await;

    window.open(&mail.taken(1).await[0].link()).await;
    window.sees("A new password").await;
    assert_eq!(window.eval::<String>("location.pathname").await, "/reset", "the token is removed from the address");
    window.fill("new", "too short").await;
    window.press("Show password").await;
    assert_eq!(window.eval::<String>("document.querySelector('#new').type").await, "text");
    window.press("Set password").await;
    window.sees("Nothing was changed").await;
    findings.look(&window, "reset-fault").await;
    window.fill("new", PASSWORD).await;
    window.press("Set password").await;
    window.sees("Your password has changed. Sign in with the new one.").await;
    findings.look(&window, "sign-in-changed").await;
    window.open("/reset").await;
    window.sees("This link no longer works").await;
    findings.look(&window, "reset-over").await;

    window.open("/account").await;
    sign_in(&window, &clinic.server.provider).await;
    window.sees("Your account").await;
    findings.look(&window, "account-ways").await;
    window.press("Connect").await;
    window.fill("provider-current", PASSWORD).await;
    window.press("Continue").await;
    window.sees("Continue to your clinic account").await;
    findings.look(&window, "connect").await;
    findings.none();
    clinic.close().await;
}
