import { nothing } from "lit";

import { clockTime } from "../words/time.ts";
import type { ViewContext } from "./context.ts";
import { html } from "./html.ts";
import { button, checkLine, type Part } from "./parts.ts";

/** Asks the patient to accept the clinic's terms while they wait. Joining does not depend on it. */
export function consentQuestion({ state, store }: ViewContext): Part {
  const terms = state.appointment?.call.terms ?? null;
  if (terms === null || state.view === null) return nothing;
  const { consent } = state.view.you;
  if (consent !== null) {
    return html`<div class="consent consent--given">
      <p>You agreed to the clinic's terms at ${clockTime(consent)}.</p>
      ${button("Take it back", () => store.consent(false), "quiet")}
    </div>`;
  }
  return html`<section class="consent" aria-label="The clinic's terms">
    <p class="consent__text" lang=${terms.language} dir="auto">${terms.text}</p>
    ${button("I agree", () => store.consent(true), "plain", "check")}
  </section>`;
}

/** The state of consent, for the provider. */
export function consentLine({ state }: ViewContext): Part {
  if ((state.appointment?.call.terms ?? null) === null || state.view === null) return nothing;
  const { consent } = state.view.other;
  return html`<ul class="checks" aria-label="The clinic's terms">
    ${consent === null ? checkLine("wait", "Has not agreed to the clinic's terms yet") : checkLine("good", `Agreed to the clinic's terms at ${clockTime(consent)}`)}
  </ul>`;
}
