import { nothing, type TemplateResult } from "lit";

import type { CallStore, Act } from "../call/store.ts";
import type { Fault } from "../devices/fault.ts";
import { noPath, remedy } from "../words/faults.ts";
import { initials } from "../words/time.ts";
import type { ViewContext } from "./context.ts";
import { html } from "./html.ts";
import { icon, type IconName } from "./icons.ts";

/** Anything that a template can contain. */
export type Part = TemplateResult | typeof nothing;

/** The heading that receives focus when the scene changes. */
export function heading(text: string, hidden = false): TemplateResult {
  return html`<h1 tabindex="-1" data-heading class=${hidden ? "vh" : ""}>${text}</h1>`;
}

/** A participant's initials, in place of a video. */
export function avatar(name: string): TemplateResult {
  return html`<span class="avatar" aria-hidden="true">${initials(name)}</span>`;
}

/** The style of a button. */
export type Weight = "primary" | "plain" | "danger" | "quiet";

/** A button for a local action. */
export function button(label: string, click: () => void, weight: Weight = "plain", image?: IconName): TemplateResult {
  return html`<button type="button" class="button button--${weight}" @click=${click}>
    ${image === undefined ? nothing : icon(image)}<span>${label}</span>
  </button>`;
}

/** A button that sends a command to the server, and indicates that the answer is pending. */
export function actButton(context: ViewContext, act: Act, label: string, weight: Weight = "plain", image?: IconName, waits = false): TemplateResult {
  const busy = waits || context.state.busy.has(act);
  return html`<button
    type="button"
    class="button button--${weight}"
    aria-disabled=${busy ? "true" : "false"}
    @click=${() => !busy && context.store.act(act)}
  >
    ${busy ? icon("busy", "icon--turning") : image === undefined ? nothing : icon(image)}<span>${label}</span>
  </button>`;
}

/** A line with a check mark, a warning or a waiting icon. */
export function checkLine(state: "good" | "bad" | "wait" | "off", text: string): TemplateResult {
  const image = ({ good: "check", bad: "alert", wait: "clock", off: "off" } as const)[state];
  return html`<li class="check check--${state}">${icon(image)}<span>${text}</span></li>`;
}

/** A device fault with its solution, beside other content. */
export function faultBox(context: ViewContext, fault: Fault): TemplateResult {
  const { title, steps } = remedy(fault, context.browser);
  return html`<div class="fault">
    <p><strong>${title}</strong></p>
    <ol class="steps">
      ${steps.map((step) => html`<li>${step}</li>`)}
    </ol>
    ${button("Try again", () => void context.store.retryDevices())}
  </div>`;
}

/** There is no path for media yet: shows what can be done. */
export function pathBox(context: ViewContext): TemplateResult {
  const { text, steps } = noPath(context.browser);
  return html`<div class="fault">
    <p>${text}</p>
    <ol class="steps">
      ${steps.map((step) => html`<li>${step}</li>`)}
    </ol>
    ${button("Load the page again", () => location.reload())}
  </div>`;
}

/** A banner: something is wrong and is being resolved. */
export function notice(text: string, kind: "plain" | "warn" = "plain", actions: Part = nothing): TemplateResult {
  return html`<div class="notice notice--${kind}">
    ${icon(kind === "warn" ? "alert" : "busy", kind === "warn" ? "" : "icon--turning")}
    <p>${text}</p>
    ${actions}
  </div>`;
}

/** A single card in the middle of the page. */
export function card(content: TemplateResult, image?: Part): TemplateResult {
  return html`<section class="single"><div class="card card--single">${image ?? nothing}${content}</div></section>`;
}

/** The mirrored self-view, or why there is none. */
export function selfPicture(context: ViewContext): TemplateResult {
  const { capture, published } = context.state;
  const shown = capture.camera !== null && published.camera;
  return html`
    <video
      class="self__video"
      .srcObject=${capture.stream}
      .muted=${true}
      ?hidden=${!shown}
      autoplay
      playsinline
      aria-label="Your own picture"
    ></video>
    ${shown ? nothing : html`<div class="self__off">${avatar(context.names.self)}<span>${selfOffWords(context)}</span></div>`}
  `;
}

function selfOffWords({ state: { capture } }: ViewContext): string {
  if (capture.status === "asking") return "Waiting for your camera…";
  return capture.camera === null ? "No camera" : "Your camera is off";
}

/** The microphone's level, updated by the element. */
export function level(): TemplateResult {
  return html`<span class="level" aria-hidden="true"><span class="level__bar" data-level></span></span>`;
}

/** Buttons for microphone and camera. */
export function mediaButtons(context: ViewContext): TemplateResult {
  const { capture, published, transport, lent } = context.state;
  const none = { microphone: !lent && capture.microphone === null, camera: !lent && capture.camera === null };
  const muted = !published.microphone || none.microphone;
  const dark = !published.camera || none.camera;
  const waits = transport !== "open";
  return html`
    ${toggle(muted ? "Unmute" : "Mute", muted ? "micOff" : "mic", muted, waits && muted, () =>
      none.microphone ? restore(context.store) : context.store.publish({ microphone: muted }),
    )}
    ${toggle(dark ? "Start camera" : "Stop camera", dark ? "videoOff" : "video", dark, waits && dark, () =>
      none.camera ? restore(context.store) : context.store.publish({ camera: dark }),
    )}
  `;
}

function restore(store: CallStore): void {
  void store.retryDevices();
}

function toggle(label: string, image: IconName, off: boolean, disabled: boolean, click: () => void): TemplateResult {
  return html`<button
    type="button"
    class="control ${off ? "control--off" : ""}"
    aria-disabled=${disabled ? "true" : "false"}
    data-on=${off ? "false" : "true"}
    @click=${() => !disabled && click()}
  >
    ${icon(image)}<span>${label}</span>
  </button>`;
}

/** A button of the call's control bar. */
export function control(label: string, image: IconName, click: () => void, extra = ""): TemplateResult {
  return html`<button type="button" class="control ${extra}" @click=${click}>${icon(image)}<span>${label}</span></button>`;
}

/** The last refusal, if it matters to the user. */
export function refusalNotice(context: ViewContext, words: (text: string) => string): Part {
  const refusal = context.state.refusal?.refusal;
  return refusal === undefined ? nothing : html`<p class="refusal" role="alert">${icon("alert")}${words(refusal)}</p>`;
}
