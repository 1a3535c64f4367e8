/** How long a form stays as it was sent when no other page comes. */
const GIVEN_UP_AFTER = 10_000;

/** A form that is sent is not sent again while its answer is on the way: its buttons are disabled until then. */
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
    // What is pressed is a part of what is sent, and would not be if it were disabled already.
    later(() => set(form, true), 0);
    later(() => set(form, false), GIVEN_UP_AFTER);
  });
  // Who comes back finds the page as it was left.
  page.defaultView?.addEventListener("pageshow", () => {
    for (const form of [...sent]) set(form, false);
  });
}
