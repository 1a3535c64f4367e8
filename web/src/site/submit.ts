/** How long a sent form stays disabled if no other page loads. */
const GIVEN_UP_AFTER = 10_000;

/** Prevents duplicate submission: a form's buttons are disabled until the response arrives. */
export function sendOnce(page: Document, later: (action: () => void, ms: number) => void = (action, ms) => void setTimeout(action, ms)): void {
  const sent = new Set<HTMLFormElement>();
  const set = (form: HTMLFormElement, isSent: boolean): void => {
    if (isSent) sent.add(form);
    else sent.delete(form);
    for (const button of form.querySelectorAll<HTMLButtonElement>("button[type=submit]")) button.disabled = isSent;
  };
  page.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    if (event.defaultPrevented) return;
    if (sent.has(form)) return event.preventDefault();
    sent.add(form);
    // The pressed button's value is sent only if the button is not disabled yet.
    later(() => set(form, true), 0);
    later(() => set(form, false), GIVEN_UP_AFTER);
  });
  // A page restored from the back/forward cache is enabled again.
  page.defaultView?.addEventListener("pageshow", () => {
    for (const form of [...sent]) set(form, false);
  });
}
