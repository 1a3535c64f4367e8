import { nothing, type TemplateResult } from "lit";

import { accompanies } from "../call/company.ts";
import type { Light } from "../devices/light.ts";
import { OBSERVING } from "../words/company.ts";
import { refusalWords } from "../words/refusals.ts";
import { NO_PATH } from "../call/backend.ts";
import { noPath, remedy } from "../words/faults.ts";
import { when } from "../words/time.ts";
import { alsoHere, watches } from "./company.ts";
import { consentQuestion } from "./consent.ts";
import type { ViewContext } from "./context.ts";
import { html } from "./html.ts";
import { icon } from "./icons.ts";
import { messagesButton } from "./messages.ts";
import { actButton, button, card, checkLine, faultBox, heading, level, mediaButtons, notice, pathBox, selfPicture, type Part } from "./parts.ts";

/** Before the waiting room: permission prompt, device fault, closed join window, or a way to rejoin. */
export function preparing(context: ViewContext): TemplateResult {
  const { capture, door, here, declined } = context.state;
  const { other } = context.names;
  if (!here) {
    return card(html`
      ${heading(declined ? `${other} knows you can't come right now.` : "The waiting room is open.")}
      <p class="lead">Come in whenever you're ready.</p>
      <div class="actions">${actButton(context, "rejoin", "Go to the waiting room", "primary")}</div>
    `);
  }
  if (door !== null) {
    return card(html`
      ${heading(refusalWords(door))}
      ${door === "too_early"
        ? html`<p class="lead">Your appointment: ${whenOf(context)}. Keep this page open. We'll let you in automatically.</p>`
        : html`<p class="lead">If you need a new appointment, please contact your clinic.</p>`}
    `);
  }
  if (capture.status === "faulted" && !capture.accepted) return deviceFault(context);
  if (capture.status === "ready" || capture.accepted || watches(context)) {
    return room(context, "Taking you to the waiting room…", html`Just a moment.`, nothing);
  }
  return card(
    html`
      ${heading("Please allow your camera and microphone.")}
      <p class="lead">Your browser is asking now. Press “Allow”.</p>
      <p>Only the people of this visit will see and hear you, and only once it starts.</p>
      <div class="actions actions--quiet">${button("Continue without camera and microphone", () => context.store.capture.accept(), "quiet")}</div>
    `,
    html`<span class="pair">${icon("video")}${icon("mic")}</span>`,
  );
}

/** A device fault with all options for continuing. */
export function deviceFault(context: ViewContext): TemplateResult {
  const { store, state } = context;
  const fault = state.capture.fault ?? { kind: "unknown", device: "both" };
  const { title, text, steps } = remedy(fault, context.browser);
  const hopeless = fault.kind === "unsupported" || fault.kind === "in_app_browser" || fault.kind === "insecure";
  return card(
    html`
      ${heading(title)}
      <p class="lead">${text}</p>
      <ol class="steps">
        ${steps.map((step) => html`<li>${step}</li>`)}
      </ol>
      <div class="actions">
        ${fault.kind === "in_app_browser" ? button("Copy the link", () => void copyAddress(), "primary", "copy") : nothing}
        ${button("Try again", () => void store.retryDevices(), fault.kind === "in_app_browser" ? "plain" : "primary")}
        ${hopeless || fault.device === "microphone"
          ? nothing
          : button("Continue with sound only", () => void store.capture.acceptSoundOnly())}
        ${button(
          fault.device === "microphone" ? "Continue without microphone" : "Continue without camera and microphone",
          () => store.capture.accept(),
          "quiet",
        )}
      </div>
    `,
    icon(fault.device === "microphone" ? "micOff" : "videoOff", "icon--large"),
  );
}

async function copyAddress(): Promise<void> {
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    // The steps above describe the manual way.
  }
}

/** In the waiting room. */
export function waiting(context: ViewContext): TemplateResult {
  const { other } = context.names;
  const { view } = context.state;
  const knows = view !== null && view.other.presence.name !== "absent" && view.other.presence.name !== "left";
  return room(
    context,
    "You're in the waiting room.",
    html`${knows ? `${other} knows you're here.` : `${other} will see that you're here.`} We'll connect you automatically. You don't need to press anything.`,
    actButton(context, "leave", "Leave", "quiet", "leave"),
  );
}

/** The self-view, the provider, and the device checks. */
function room(context: ViewContext, title: string, lead: TemplateResult, leave: Part): TemplateResult {
  const { other } = context.names;
  const { appointment } = context.state;
  return html`
    <section class="room ${watches(context) ? "room--watching" : ""}">
      ${watches(context) ? nothing : preview(context)}
      <div class="room__words">
        <p class="eyebrow">Waiting room</p>
        ${heading(title)}
        <p class="lead">${lead}</p>
        <dl class="facts">
          <div>
            <dt>With</dt>
            <dd>${other}${appointment?.provider.specialty ? html`<small>${appointment.provider.specialty}</small>` : nothing}</dd>
          </div>
          <div><dt>When</dt><dd>${whenOf(context)}</dd></div>
          ${alsoHere(context)}
        </dl>
        ${watches(context) ? html`<p class="observing">${icon("eye")}<span>You are here as an observer. ${OBSERVING} Everyone is told that you are here.</span></p>` : nothing}
        <ul class="checks" aria-label="Your device">
          ${checks(context)}
        </ul>
        ${deviceRemark(context)} ${consentQuestion(context)}
        <div class="actions">
          ${context.state.view?.messages.length ? messagesButton(context) : nothing}
          ${watches(context) ? nothing : button("Camera and microphone", () => context.change({ dialog: "devices" }), "plain", "settings")}
          ${button("Help", () => context.change({ dialog: "help" }), "plain", "help")} ${leave}
        </div>
      </div>
    </section>
  `;
}

function preview(context: ViewContext): TemplateResult {
  return html`<div class="room__preview">
    <div class="self self--large">
      ${selfPicture(context)}
      <div class="self__bar">${mediaButtons(context)}</div>
    </div>
    <div class="meter">${icon("mic")}${level()}<span class="meter__word">${microphoneWords(context)}</span></div>
  </div>`;
}

function whenOf(context: ViewContext): string {
  return context.state.appointment === null ? "" : when(context.state.appointment.datetime, context.now, context.state.appointment.call.timeZone);
}

function microphoneWords({ state }: ViewContext): string {
  if (state.capture.microphone === null) return "No microphone";
  if (!state.published.microphone) return "You're muted";
  return state.heard ? "We can hear you" : "Say something to test it";
}

function checks(context: ViewContext): TemplateResult[] {
  const { capture, media, heard, light, published } = context.state;
  const asking = capture.status === "asking";
  const lines = watches(context) ? [] : [
    capture.camera !== null
      ? cameraCheck(published.camera, light)
      : checkLine(asking ? "wait" : "bad", asking ? "Waiting for your camera" : "No camera: you won't be seen"),
    capture.microphone !== null
      ? microphoneCheck(published.microphone, heard)
      : checkLine(asking ? "wait" : "bad", asking ? "Waiting for your microphone" : "No microphone: you won't be heard"),
  ];
  if (media.link === "up") lines.push(checkLine("good", "Your connection is ready"));
  else if (media.trouble === NO_PATH) lines.push(checkLine("bad", noPath(context.browser).title));
  else lines.push(checkLine("wait", "Preparing your connection"));
  return lines;
}

/**
 * Only devices that demonstrably delivered something are reported as working. A dark picture or a quiet room is not
 * reported as broken.
 */
function cameraCheck(on: boolean, light: Light): TemplateResult {
  if (!on) return checkLine("off", "Your camera is off");
  if (light === "seen") return checkLine("good", "Your camera works");
  return checkLine("wait", light === "dark" ? "Your camera is on. Its picture is dark" : "Your camera is on");
}

function microphoneCheck(on: boolean, heard: boolean): TemplateResult {
  if (!on) return checkLine("off", "You're muted");
  return heard ? checkLine("good", "Your microphone works") : checkLine("wait", "Your microphone is on. Say something to test it");
}

/** Shows how to fix a missing media path or a missing device after joining. */
function deviceRemark(context: ViewContext): Part {
  const { capture, media } = context.state;
  if (media.trouble === NO_PATH) return pathBox(context);
  return capture.fault === null || capture.fault.kind === "none" ? nothing : faultBox(context, capture.fault);
}

/** The provider has started the visit and is calling the patient. */
export function called(context: ViewContext): TemplateResult {
  const { other } = context.names;
  return html`
    ${card(html`
      ${heading(`${other} is calling you in.`)}
      <p class="lead">Your visit is starting.</p>
      <div class="actions">
        ${actButton(context, "rejoin", "Join", "primary", "video")}
        ${context.state.part !== null && accompanies(context.state.part) ? nothing : actButton(context, "decline", "Not now")}
      </div>
      ${context.state.here && context.state.capture.status === "asking"
        ? notice("Your browser is asking for your camera and microphone. Press “Allow”.", "warn")
        : nothing}
    `)}
    ${context.state.here && context.state.capture.status === "faulted" && !context.state.capture.accepted ? deviceFault(context) : nothing}
  `;
}
