import { nothing, type TemplateResult } from "lit";

import { captureWords } from "../words/capture.ts";
import { deviceWords } from "../words/device.ts";
import { NO_PATH } from "../call/backend.ts";
import { goneWords, noPath } from "../words/faults.ts";
import { backendWords, moves } from "../words/backends.ts";
import { connectionWords, sideConnection, waitingWords } from "../words/connection.ts";
import type { Grade } from "../words/quality.ts";
import { elapsed } from "../words/time.ts";
import { ago } from "./closed.ts";
import { alsoHere, observing, strip, watches } from "./company.ts";
import { consentLine } from "./consent.ts";
import type { Corner, ViewContext } from "./context.ts";
import { html } from "./html.ts";
import { icon } from "./icons.ts";
import { messagesButton, newMessage } from "./messages.ts";
import { avatar, button, control, heading, level, mediaButtons, notice, selfPicture, type Part } from "./parts.ts";
import { deviceLine } from "./provider.ts";
import { nextCorner, type CornerDrag } from "./corner.ts";

/** The connected call: the other participant fills the stage. */
export function call(context: ViewContext, drag: CornerDrag): TemplateResult {
  const { state, ui, names } = context;
  const provider = state.role === "provider";
  return html`
    ${heading(`Visit with ${names.other}`, true)}
    <div class="stage__top">
      <p class="chip"><strong>${names.other}</strong>${otherMuted(context)}${otherSpeaks(context)}${qualityWord(context)}</p>
      ${watches(context) ? observing() : nothing}
    </div>
    ${absence(context)} ${ownTrouble(context)} ${newMessage(context)} ${showsSelf(context) ? corner(context, drag) : nothing}
    ${strip(context, beside(context))}
    ${provider && ui.panel ? panel(context) : nothing}
    <div class="bar" role="group" aria-label="Controls">
      ${watches(context) ? nothing : mediaButtons(context)} ${control("Help", "help", () => context.change({ dialog: "help", menu: false }))}
      ${more(context)}
      ${provider
        ? control("End visit", "end", () => context.change({ dialog: "end", menu: false }), "control--danger")
        : html`<button
            type="button"
            class="control control--danger"
            aria-disabled=${state.busy.has("leave") ? "true" : "false"}
            @click=${() => !state.busy.has("leave") && context.store.act("leave")}
          >
            ${icon("leave")}<span>Leave</span>
          </button>`}
    </div>
  `;
}

/** Observers have no self-view, and a backend that captures devices shows it on its own surface. */
function showsSelf(context: ViewContext): boolean {
  return !context.state.lent && !watches(context);
}

/** The side on which the strip leaves space for the self-view. */
function beside(context: ViewContext): string {
  const { corner, selfHidden } = context.ui;
  if (!showsSelf(context) || selfHidden || corner.startsWith("top")) return "";
  return corner === "bottom-end" ? "company--before" : "company--after";
}

/** The self-view. */
function corner(context: ViewContext, drag: CornerDrag): TemplateResult {
  const { state, ui } = context;
  return html`
    <div
      class="corner corner--${ui.corner} ${ui.selfHidden ? "corner--hidden" : ""}"
      tabindex=${ui.selfHidden ? "-1" : "0"}
      role="group"
      aria-label="Your picture. Move it with the arrow keys."
      @keydown=${(event: KeyboardEvent) => moveByKey(context, event)}
      @pointerdown=${drag.start}
    >
      <div class="self self--corner">${ui.selfHidden ? nothing : selfPicture(context)}</div>
      <span class="corner__foot">${state.published.microphone && state.capture.microphone !== null ? level() : html`<span class="corner__muted">${icon("micOff")}You're muted</span>`}</span>
    </div>
  `;
}

function qualityWord(context: ViewContext): Part {
  const { quality, words } = connectionWords(context.state, context.scene);
  // Just connected and not measured yet.
  if (quality === "unknown" && context.state.media.link === "up") return nothing;
  return html`<span class="chip__word chip__word--${quality}">${words}</span>`;
}

function otherMuted({ state }: ViewContext): Part {
  return state.view?.other.microphone === false ? html`<span class="chip__muted">${icon("micOff")}Muted</span>` : nothing;
}

/** With more than two participants, indicates the active speaker. */
function otherSpeaks({ state }: ViewContext): Part {
  const speaks = state.view !== null && state.speaking === state.view.other.user;
  return speaks ? html`<span class="chip__word chip__word--speaks">Speaking</span>` : nothing;
}

/** The content shown instead of a video. */
function absence(context: ViewContext): Part {
  const { scene, names, state, ui } = context;
  const stage = state.view?.stage;
  const patient = state.role === "patient";
  if (scene === "reconnecting") {
    return standIn(names.other, `${names.other} lost the connection. They're on their way back.`);
  }
  if (scene === "alone" && stage?.name === "alone") {
    return standIn(
      names.other,
      `${names.other} left the visit ${ago(context, stage.since)}.`,
      patient ? "They may come back. You can wait here, or leave." : "They may come back. You can wait here, or end the visit.",
    );
  }
  const capture = state.view === null ? "" : captureWords(state.view.other.capture, names.other);
  if (capture !== "") return standIn(names.other, capture, "", "standin--over");
  if (state.view?.other.camera === false) return standIn(names.other, `${names.other}'s camera is off`);
  const { media } = context.state;
  if (media.shows) return nothing;
  if (media.surface !== null) return standIn(names.other, backendWords(media.trouble, names.other));
  // A notice already says so and what to do.
  if (media.trouble === NO_PATH && state.transport === "open") return nothing;
  const waits = waitingWords(context.state, names.other);
  if (waits !== null) return standIn(names.other, waits.words, waits.more);
  if (!ui.picture || media.remote === null) {
    const blocked = state.view?.other.check?.camera === "blocked";
    return standIn(names.other, blocked ? `${names.other} has no camera` : `Waiting for ${names.other}'s picture…`);
  }
  return nothing;
}

function standIn(name: string, words: string, more = "", extra = ""): TemplateResult {
  return html`<div class="standin ${extra}">${avatar(name)}<p>${words}</p>${more === "" ? nothing : html`<p class="standin__more">${more}</p>`}</div>`;
}

/** The user's own connection. The call continues while only signalling is interrupted. */
function ownTrouble(context: ViewContext): Part {
  const { state } = context;
  const open = state.transport === "open";
  if (open && state.media.trouble === NO_PATH) {
    const helps = html`<div class="actions">${button("What you can do", () => context.change({ dialog: "help", menu: false }))}</div>`;
    return html`<div class="stage__notice">${notice(noPath(context.browser).title, "warn", helps)}</div>`;
  }
  if (state.media.link === "lost") return html`<div class="stage__notice">${notice("Your connection dropped. Getting you back…")}</div>`;
  if (!open) return html`<div class="stage__notice">${notice("Your connection dropped. Getting you back… You may still hear each other.")}</div>`;
  return ownFault(context);
}

/** A device of the user was lost during the call. */
function ownFault(context: ViewContext): Part {
  const { capture } = context.state;
  if (capture.fault === null || capture.accepted || capture.status === "asking") return newDevice(context);
  const actions = html`<div class="actions">
    ${capture.fault.kind === "none" ? nothing : button("Try again", () => void context.store.retryDevices())}
    ${button("Go on without", () => context.store.capture.accept(), capture.fault.kind === "none" ? "plain" : "quiet")}
  </div>`;
  return html`<div class="stage__notice">${notice(goneWords(capture.fault, context.browser, context.names.other), "warn", actions)}</div>`;
}

/** Shown for one minute; afterwards it is in the details. */
function newDevice(context: ViewContext): Part {
  const at = context.state.view?.other.device_changed ?? null;
  if (context.state.role !== "provider" || at === null || context.now - at > 60_000) return nothing;
  return html`<div class="stage__notice">${notice(deviceWords(context.names.other, "just now"), "warn")}</div>`;
}

function more(context: ViewContext): TemplateResult {
  const { ui, change } = context;
  // A backend that renders its own surface has its own settings for it as well.
  const none = !showsSelf(context);
  const item = (label: string, act: () => void): TemplateResult =>
    html`<button type="button" class="menu__item" @click=${act}>${label}</button>`;
  return html`<div class="more" @keydown=${(event: KeyboardEvent) => closeMenu(context, event)}>
    <button type="button" class="control" aria-expanded=${ui.menu ? "true" : "false"} @click=${() => change({ menu: !ui.menu })}>
      ${icon("more")}<span>More</span>
    </button>
    ${ui.menu
      ? html`<div class="menu">
          ${item("Messages", () => change({ dialog: "messages", menu: false }))}
          ${none ? nothing : item("Camera and microphone", () => change({ dialog: "devices", menu: false }))}
          ${none || ui.selfHidden ? nothing : item("Move my picture", () => change({ corner: nextCorner(ui.corner) }))}
          ${none ? nothing : item(ui.selfHidden ? "Show my picture" : "Hide my picture", () => change({ selfHidden: !ui.selfHidden, menu: false }))}
          ${moves(context).map(({ label, backend }) => item(label, () => (context.store.move(backend), change({ menu: false }))))}
          ${context.state.role === "provider"
            ? item(ui.panel ? "Hide details" : "Show details", () => change({ panel: !ui.panel, menu: false }))
            : nothing}
        </div>`
      : nothing}
  </div>`;
}

function closeMenu({ ui, change }: ViewContext, event: KeyboardEvent): void {
  if (event.key !== "Escape" || !ui.menu) return;
  change({ menu: false });
  (event.currentTarget as HTMLElement).querySelector("button")?.focus();
}

function moveByKey({ ui, change }: ViewContext, event: KeyboardEvent): void {
  const rtl = getComputedStyle(event.currentTarget as Element).direction === "rtl";
  const [row, side] = ui.corner.split("-") as ["top" | "bottom", "start" | "end"];
  const moves: Record<string, Corner> = {
    ArrowUp: `top-${side}`,
    ArrowDown: `bottom-${side}`,
    ArrowLeft: `${row}-${rtl ? "end" : "start"}`,
    ArrowRight: `${row}-${rtl ? "start" : "end"}`,
  };
  const corner = moves[event.key];
  if (corner === undefined) return;
  event.preventDefault();
  change({ corner });
}

/** A backend that renders its own surface provides no measurements and has its own indicator. */
function connectionLine(label: string, { quality, words }: Grade, lent: boolean): Part {
  if (lent && quality === "unknown") return nothing;
  return html`<div><dt>${label}</dt><dd class="word word--${quality}">${words}</dd></div>`;
}

function panel(context: ViewContext): TemplateResult {
  const { state, scene, names, now } = context;
  const since = context.connectedSince;
  return html`<aside class="panel" aria-label="Details">
    <div class="panel__head">
      <h2>${names.other}</h2>
      <button type="button" class="panel__close" aria-label="Close details" @click=${() => context.change({ panel: false })}>${icon("close")}</button>
    </div>
    <dl class="facts">
      ${state.appointment?.patient.age == null ? nothing : html`<div><dt>Age</dt><dd>${state.appointment.patient.age}</dd></div>`}
      ${state.appointment?.reason ? html`<div><dt>Reason</dt><dd class="lines">${state.appointment.reason}</dd></div>` : nothing}
      ${since === null ? nothing : html`<div><dt>Elapsed</dt><dd class="time">${elapsed(now - since)}</dd></div>`}
      ${connectionLine("Their connection", sideConnection(state, scene, "other"), state.lent)} ${connectionLine("Your connection", sideConnection(state, scene, "you"), state.lent)}
      ${alsoHere(context)}
    </dl>
    ${deviceLine(context)} ${consentLine(context)}
    <div class="actions">${messagesButton(context)}</div>
  </aside>`;
}
