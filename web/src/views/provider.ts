import { nothing, type TemplateResult } from "lit";

import { NO_PATH } from "../call/backend.ts";
import { isTogether } from "../call/state.ts";
import type { Check, DeviceCheck } from "../signalling/messages.ts";
import { captureNote } from "../words/capture.ts";
import { deviceWords } from "../words/device.ts";
import { moves, startWaits } from "../words/backends.ts";
import { refusalWords } from "../words/refusals.ts";
import { elapsed, spell, when } from "../words/time.ts";
import { ago } from "./closed.ts";
import { alsoHere, strip } from "./company.ts";
import { consentLine } from "./consent.ts";
import type { ViewContext } from "./context.ts";
import { html } from "./html.ts";
import { icon } from "./icons.ts";
import { messagesButton } from "./messages.ts";
import { actButton, avatar, button, checkLine, faultBox, heading, level, mediaButtons, pathBox, selfPicture, type Part } from "./parts.ts";

/** Before the visit: the patient, the reason, their status, and the start button. */
export function desk(context: ViewContext): TemplateResult {
  const { scene, names } = context;
  const first = names.other;
  return html`
    <section class="desk">
      <div class="card desk__main">
        <p class="eyebrow">${deskEyebrow(scene)}</p>
        ${heading(deskTitle(scene, first))}
        ${patientFacts(context)} ${presence(context)} ${together(context)} ${consentLine(context)} ${deskActions(context)} ${door(context)}
        <div class="actions actions--quiet">${messagesButton(context)}</div>
        ${inviteLine(context)}
      </div>
      <div class="card desk__self">
        <h2>You</h2>
        ${context.state.here ? ownDevices(context) : html`<p>Your camera and microphone are off. They come on when you start.</p>`}
        <div class="actions actions--quiet">
          ${button("Camera and microphone", () => context.change({ dialog: "devices" }), "quiet", "settings")}
          ${button("Help", () => context.change({ dialog: "help" }), "quiet", "help")}
        </div>
      </div>
    </section>
  `;
}

function ownDevices(context: ViewContext): TemplateResult {
  return html`
    <div class="self self--desk">${selfPicture(context)}</div>
    <div class="meter">${icon("mic")}${level()}</div>
    ${context.state.media.trouble === NO_PATH ? pathBox(context) : ownFault(context)}
    <div class="self__buttons">${mediaButtons(context)}</div>
  `;
}

function deskEyebrow(scene: ViewContext["scene"]): string {
  return scene === "idle" || scene === "loading" ? "Before the visit" : "Meeting started";
}

function deskTitle(scene: ViewContext["scene"], patient: string): string {
  switch (scene) {
    case "calling":
      return `${patient} isn't here yet. We'll connect you when they arrive.`;
    case "unanswered":
      return `${patient} hasn't come yet.`;
    case "declined":
      return `${patient} says: not now.`;
    default:
      return patient;
  }
}

function patientFacts(context: ViewContext): Part {
  const { state, names, scene, now } = context;
  const appointment = state.appointment;
  if (appointment === null) return nothing;
  const { age } = appointment.patient;
  return html`<dl class="facts">
    ${scene === "idle" ? nothing : html`<div><dt>Patient</dt><dd>${names.other}</dd></div>`}
    ${age === null ? nothing : html`<div><dt>Age</dt><dd>${age}</dd></div>`}
    ${appointment.reason ? html`<div><dt>Reason</dt><dd class="lines">${appointment.reason}</dd></div>` : nothing}
    <div><dt>Time</dt><dd>${when(appointment.datetime, now, appointment.call.timeZone)} (${appointment.duration} minutes)</dd></div>
    ${alsoHere(context)}
  </dl>`;
}

/** Companions who joined before the patient are already with the provider. */
function together(context: ViewContext): Part {
  if (!isTogether(context.state.view, context.scene)) return nothing;
  return html`<div class="early">
    <p>With you already. You see and hear each other.</p>
    ${strip(context)}
  </div>`;
}

function presence(context: ViewContext): Part {
  const other = context.state.view?.other;
  if (other === undefined) return nothing;
  const at = other.presence;
  const [state, words] = ((): [string, string] => {
    switch (at.name) {
      case "absent":
        return ["out", "Not here yet. Their page isn't open."];
      case "preparing":
        return ["near", `Opened the page ${ago(context, at.since)}, not in the waiting room yet.`];
      case "here":
        return ["here", `In the waiting room for ${spell(context.now - at.since)}.`];
      case "away":
        return ["near", `Lost the connection ${ago(context, at.since)}. They're on their way back.`];
      case "left":
        return ["out", `Left ${ago(context, at.at)}.`];
    }
  })();
  const paused = captureNote(other.capture);
  const page = at.name === "preparing" || at.name === "here" || at.name === "away";
  return html`<div class="presence presence--${state}">
    ${avatar(other.name)}
    <div>
      <p class="presence__words">${words}</p>
      ${page && paused !== "" ? html`<p class="presence__paused">${icon("alert")}${paused}</p>` : nothing}
      ${page ? deviceLine(context) : nothing}
      ${page && other.check !== null ? html`<ul class="checks" aria-label="Their device">${checkLines(other.check)} ${mediaLine(context)}</ul>` : nothing}
    </div>
  </div>`;
}

/** A device change may mean that it is a different person. */
export function deviceLine(context: ViewContext): Part {
  const at = context.state.view?.other.device_changed ?? null;
  return at === null ? nothing : html`<p class="presence__paused">${icon("alert")}${deviceWords(context.names.other, ago(context, at))}</p>`;
}

/**
 * With the embedded SFU, it is known whether the patient's media has connected; other backends have no connection
 * before the start.
 */
function mediaLine({ state: { view } }: ViewContext): Part {
  if (view === null || view.backend !== "embedded" || view.other.presence.name !== "here") return nothing;
  return view.other.media ? checkLine("good", "Connection for sound and picture is ready") : checkLine("wait", "No connection for sound and picture yet");
}

function checkLines(check: DeviceCheck): TemplateResult[] {
  const line = (state: Check, words: Record<Check, string>): TemplateResult =>
    checkLine(state === "works" ? "good" : state === "blocked" ? "bad" : "wait", words[state]);
  return [
    line(check.browser, {
      unknown: "Browser not checked yet",
      asking: "Browser being checked",
      works: "Browser is fine",
      blocked: "Their browser can't hold a visit",
    }),
    check.camera === "works"
      ? checkLine(check.seen ? "good" : "wait", check.seen ? "Camera works" : "Camera is on, its picture is dark or not seen yet")
      : line(check.camera, {
          unknown: "Camera not asked for yet",
          asking: "Being asked for the camera",
          works: "",
          blocked: "Camera blocked or missing",
        }),
    check.microphone === "works"
      ? checkLine(check.heard ? "good" : "wait", check.heard ? "Microphone works, and was heard" : "Microphone is on, not heard yet")
      : line(check.microphone, {
          unknown: "Microphone not asked for yet",
          asking: "Being asked for the microphone",
          works: "",
          blocked: "Microphone blocked or missing",
        }),
  ];
}

function deskActions(context: ViewContext): TemplateResult {
  const { scene, names, state } = context;
  const stage = state.view?.stage;
  if (scene === "idle") {
    const words = startWaits(state);
    return html`<div class="actions actions--start">
        ${actButton(context, "start", `Start meeting with ${names.other}`, "primary", "video", words !== "")}
      </div>
      ${words === "" ? nothing : html`<p class="remark" role="status">${words}</p>`}
      <div class="actions actions--quiet">
        ${moves(context).map(({ label, backend }) => button(label, () => context.store.move(backend), "quiet"))}
      </div>`;
  }
  const waits = (stage?.name === "calling" && stage.until !== null) || scene === "unanswered" || scene === "declined";
  return html`
    ${stage?.name === "calling" || stage?.name === "unanswered"
      ? html`<p class="remark">Waiting for ${elapsed(context.now - stage.since)}</p>`
      : nothing}
    <div class="actions">
      ${waits ? actButton(context, "keep_waiting", "Keep waiting", scene === "calling" ? "plain" : "primary") : nothing}
      ${actButton(context, "mark_missed", "Mark as missed")} ${actButton(context, "cancel", "Cancel")}
    </div>
  `;
}

function door({ state }: ViewContext): Part {
  const refusal = state.refusal?.refusal ?? state.door;
  return refusal === null || refusal === undefined ? nothing : html`<p class="refusal" role="alert">${icon("alert")}${refusalWords(refusal)}</p>`;
}

function inviteLine(context: ViewContext): TemplateResult {
  const { invite } = context.ui;
  return html`<div class="invite">
    ${button(invite.state === "making" ? "Making a link…" : "Copy a new patient link", () => void context.invite(), "quiet", "copy")}
    <p class="remark">A link that you sent before and that is not used yet stops working.</p>
    <div role="status">
      ${invite.state === "copied" ? html`<span class="good">${icon("check")} Copied. Send it to ${context.names.other} only.</span>` : nothing}
      ${invite.state === "failed" ? html`<span class="bad">${icon("alert")} The link could not be made. Please try again.</span>` : nothing}
    </div>
    ${invite.state === "shown"
      ? html`<label class="field"
          ><span>Copy this link and send it to ${context.names.other} only:</span>
          <input type="text" readonly data-select .value=${invite.url} @focus=${(event: FocusEvent) => (event.target as HTMLInputElement).select()}
        /></label>`
      : nothing}
  </div>`;
}

function ownFault(context: ViewContext): Part {
  const { capture } = context.state;
  if (capture.status === "asking") return html`<p class="remark">Your browser is asking for your camera and microphone. Press “Allow”.</p>`;
  return capture.fault === null ? nothing : faultBox(context, capture.fault);
}
