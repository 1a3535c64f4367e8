//! Pages as screen readers and translators have them.

use crate::people::Clinic;

/// Does to a page's texts what a browser's translator does: each is taken out, and an element put in its place.
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

/// What the live regions say that a screen reader hears now: inside of an open dialog, if there is one.
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
    provider.until(&format!("{SAID}.at(-1)?.includes('left the visit')"), "the live region goes on").await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn an_open_dialog_says_what_others_write() {
    let clinic = Clinic::open().await;
    let (patient, provider) = clinic.in_call().await;
    provider.press("Messages").await;
    provider.until("[...probe.all()].some((element) => element.matches('dialog[open]'))", "the dialog").await;
    assert_eq!(provider.eval::<Vec<String>>(SAID).await, Vec::<String>::new(), "it begins with nothing");
    patient.press("More").await;
    patient.press("Messages").await;
    for before in ["null", "globalThis.first"] {
        patient.write("Yes").await;
        patient.key("Enter").await;
        let news = format!("{SAID}.at(-1)?.endsWith('wrote: Yes') && lines.at(-1) !== {before}");
        provider.until(&news, "the message, also the second one, whose text is the same").await;
        provider.eval::<bool>("((globalThis.first = lines.at(-1)), true)").await;
    }
    assert_eq!(patient.eval::<Vec<String>>(SAID).await, Vec::<String>::new(), "who wrote knows it");
    clinic.close().await;
}
