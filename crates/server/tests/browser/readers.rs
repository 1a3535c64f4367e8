//! Pages as seen by screen readers and translators.

use crate::people::Clinic;

/// Changes a page's text nodes like a browser's translator: each is replaced by an element.
const TRANSLATE: &str = "(() => {
  const skip = 'style, script, textarea, option, title';
  const ofElement = (element) => element.matches(skip) ? [] : [...element.childNodes];
  const texts = [...probe.all()].flatMap(ofElement).filter((node) => node.nodeType === 3 && node.data.trim() !== '');
  for (const text of texts) {
    const font = document.createElement('font');
    font.append(document.createElement('font'));
    font.firstChild.textContent = text.data;
    text.replaceWith(font);
  }
  return texts.length;
})()";

/// Returns what the live regions currently announce: inside an open dialog, if there is one.
const SAID: &str = "(() => {
  const dialog = [...probe.all()].filter((element) => element.matches('dialog[open]')).at(-1);
  const regions = [...probe.all()].filter((element) => element.matches('[role=status][aria-live]'));
  const heard = regions.filter((region) => dialog === undefined ? region.closest('dialog') === null : dialog.contains(region));
  globalThis.lines = heard.flatMap((region) => [...region.children]);
  return lines.map((line) => line.textContent);
})()";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn what_changes_is_seen_through_a_browsers_translator() {
    let clinic = Clinic::open().await;
    let (patient, provider) = clinic.in_call().await;
    for window in [&patient, &provider] {
        assert!(window.eval::<usize>(TRANSLATE).await > 5, "there are texts to translate");
    }
    patient.press("Mute").await;
    patient.until("probe.find('Unmute') !== null && probe.find('Mute') === null", "the button's new name").await;
    provider.sees("Muted").await;
    assert!(patient.eval::<usize>(TRANSLATE).await > 0);
    patient.press("Unmute").await;
    patient.until("probe.find('Mute') !== null", "the button's first name").await;
    for window in [&patient, &provider] {
        window.eval::<usize>(TRANSLATE).await;
    }
    patient.press("Leave").await;
    provider.sees("left the visit").await;
    provider.until(&format!("{SAID}.at(-1)?.includes('left the visit')"), "the live region announces the change").await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn an_open_dialog_says_what_others_write() {
    let clinic = Clinic::open().await;
    let (patient, provider) = clinic.in_call().await;
    provider.press("Messages").await;
    provider.until("[...probe.all()].some((element) => element.matches('dialog[open]'))", "the dialog").await;
    assert_eq!(provider.eval::<Vec<String>>(SAID).await, Vec::<String>::new(), "the live region is empty at first");
    patient.press("More").await;
    patient.press("Messages").await;
    for before in ["null", "globalThis.first"] {
        patient.write("Yes").await;
        patient.key("Enter").await;
        let news = format!("{SAID}.at(-1)?.endsWith('wrote: Yes') && lines.at(-1) !== {before}");
        provider.until(&news, "the message, also the second one with the same text").await;
        provider.eval::<bool>("((globalThis.first = lines.at(-1)), true)").await;
    }
    assert_eq!(
        patient.eval::<Vec<String>>(SAID).await,
        Vec::<String>::new(),
        "the author's own message is not announced to the author"
    );
    clinic.close().await;
}
