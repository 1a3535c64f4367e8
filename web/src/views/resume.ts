import { nothing, type TemplateResult } from "lit";

import { present } from "../call/company.ts";
import { inCall } from "../call/state.ts";
import type { FaultDevice } from "../devices/fault.ts";
import { remedy } from "../words/faults.ts";
import type { ViewContext } from "./context.ts";
import { html } from "./html.ts";
import { icon } from "./icons.ts";
import { button, type Part } from "./parts.ts";

/** A dialog with a single action after camera, microphone or audio was interrupted. The element shows it modally. */
export function resume(context: ViewContext): Part {
  const { recovery } = context;
  if (!recovery.asks) return nothing;
  const helpless = recovery.failure !== null;
  return html`<dialog
    class="resume"
    aria-labelledby="resume-title"
    aria-describedby="resume-text"
    @cancel=${(event: Event) => event.preventDefault()}
    @click=${helpless ? nothing : context.resume}
  >
    ${helpless ? stillNot(context) : tap(context)} ${context.live()}
  </dialog>`;
}

function tap(context: ViewContext): TemplateResult {
  const { recovery, names } = context;
  const stays = inCall(context.scene) ? "You're still in the visit." : "Your place is kept.";
  const why = recovery.soundOnly
    ? `Your browser holds back ${present(context.state.view).length > 0 ? "everyone" : names.other}'s sound until you tap.`
    : `Your camera and microphone were stopped, perhaps by a call or another app. ${stays}`;
  return html`
    ${icon(recovery.soundOnly ? "sound" : "video", "icon--large")}
    <h2 id="resume-title">${recovery.busy ? "One moment…" : "Tap to continue"}</h2>
    <p id="resume-text">${recovery.busy ? "Your camera and microphone are being started." : why}</p>
    <button type="button" class="button button--primary" autofocus aria-disabled=${recovery.busy ? "true" : "false"}>
      ${recovery.busy ? icon("busy", "icon--turning") : nothing}<span>Continue</span>
    </button>
    ${recovery.soundOnly ? html`<span @click=${(event: Event) => event.stopPropagation()}>${button("Go on without sound", () => recovery.accept(), "quiet")}</span>` : nothing}
  `;
}

/** The tap did not help: shows the fault and all options for continuing. */
function stillNot(context: ViewContext): TemplateResult {
  const { published } = context.state;
  const device: FaultDevice = published.camera && published.microphone ? "both" : published.camera ? "camera" : "microphone";
  const { title, steps } = remedy({ kind: context.recovery.failure ?? "unknown", device }, context.browser);
  return html`
    ${icon("videoOff", "icon--large")}
    <h2 id="resume-title">${title}</h2>
    <ol id="resume-text" class="steps">
      ${steps.map((step) => html`<li>${step}</li>`)}
    </ol>
    <div class="actions actions--stack">
      <button type="button" class="button button--primary" autofocus @click=${context.resume}><span>Try again</span></button>
      ${button("Load the page again", () => location.reload())}
      ${button("Go on without", () => context.recovery.accept(), "quiet")}
    </div>
  `;
}
