import { nothing, type TemplateResult } from "lit";

import { accompanies } from "../call/company.ts";
import type { EndReason } from "../signalling/messages.ts";
import { spell } from "../words/time.ts";
import type { ViewContext } from "./context.ts";
import { html } from "./html.ts";
import { icon } from "./icons.ts";
import { actButton, button, card, heading, type Part } from "./parts.ts";

/** After leaving, while the visit is open. */
export function left(context: ViewContext): TemplateResult {
  const { other } = context.names;
  const patient = context.state.role === "patient";
  return card(html`
    ${heading("You left the visit.")}
    <p class="lead">
      ${patient ? `You can come back as long as the visit is open. ${other} can see that you left.` : `The visit is still open, and ${other} can come back to it.`}
    </p>
    <div class="actions">
      ${actButton(context, "rejoin", "Rejoin", "primary", "video")}
      ${patient ? nothing : button("End visit", () => context.change({ dialog: "end" }), "danger", "end")} ${closeButton(context)}
    </div>
    ${goodbye(context)}
  `);
}

/** After the end. */
export function ended(context: ViewContext): TemplateResult {
  const stage = context.state.view?.stage;
  const reason = stage?.name === "ended" ? stage.reason : "ended";
  return context.state.role === "patient" ? endedPatient(context, reason) : endedProvider(context, reason);
}

function endedPatient(context: ViewContext, reason: EndReason): TemplateResult {
  const { other } = context.names;
  const { part } = context.state;
  const beside = part !== null && accompanies(part);
  const [title, text] = {
    ended: [
      `Your visit with ${other} has ended.`,
      "You can close this page. If you have another question, contact your clinic.",
    ],
    missed: beside ? [`${other} has closed the visit.`, "The patient did not come."] : [
      `${other} waited for you and has closed the visit.`,
      "You can still come in: they'll see that you're here. Or contact your clinic for a new time.",
    ],
    abandoned: ["This visit has closed.", "Nobody was in it for a while. You can come back to the waiting room."],
    closed: ["The time for this visit has passed.", "It was never started. Contact your clinic for a new time."],
    cancelled: ["This appointment was cancelled.", "You can close this page. If you still need to be seen, ask your clinic for a new appointment."],
  }[reason] as [string, string];
  return card(
    html`
      ${heading(title)}
      <p class="lead">${text}</p>
      <div class="actions">
        ${closeButton(context, "primary")}
        ${mayGoOn(reason) ? actButton(context, "rejoin", "Back to the waiting room") : nothing}
      </div>
      ${goodbye(context)}
    `,
    icon(reason === "ended" ? "check" : "clock", "icon--large"),
  );
}

/** Whether a new visit of the same appointment can begin. */
function mayGoOn(reason: EndReason): boolean {
  return reason !== "closed" && reason !== "cancelled";
}

function endedProvider(context: ViewContext, reason: EndReason): TemplateResult {
  const { other } = context.names;
  const title = {
    ended: `Your visit with ${other} has ended.`,
    missed: `You marked ${other} as missed.`,
    abandoned: "This visit has closed because nobody was in it.",
    closed: "The time for this visit has passed.",
    cancelled: "This appointment was cancelled.",
  }[reason];
  const text = {
    ended: "It is saved with this appointment.",
    missed: "It is saved with this appointment.",
    abandoned: "Nobody was in it for a while.",
    closed: "It was never started.",
    cancelled: "Nobody can join it any more.",
  }[reason];
  const present = context.state.view?.other.presence.name;
  return card(html`
    ${heading(title)}
    <p class="lead">
      ${text}
      ${present === "preparing" || present === "here" ? `${other}'s page is still open.` : nothing}
    </p>
    <div class="actions">
      ${closeButton(context, "primary")}
      ${mayGoOn(reason) ? actButton(context, "start", "Start new meeting", "plain", "video") : nothing}
    </div>
    ${goodbye(context)}
  `);
}

function closeButton(context: ViewContext, weight: "primary" | "plain" = "plain"): TemplateResult {
  if (context.home !== null) return html`<a class="button button--${weight}" href=${context.home}><span>Back to my day</span></a>`;
  return button("Close", context.close, weight);
}

function goodbye(context: ViewContext): Part {
  return context.ui.closing ? html`<p class="remark" role="status">You can close this window now.</p>` : nothing;
}

/** The seat has moved to another page. */
export function moved(context: ViewContext): TemplateResult {
  return card(html`
    ${heading("This visit is open in another window or on another device.")}
    <p class="lead">Only one at a time can be in the visit.</p>
    <div class="actions">${button("Use it here", () => context.store.useHere(), "primary")}</div>
  `);
}

/** The session has ended. */
export function signedOut(context: ViewContext): TemplateResult {
  const patient = context.state.role === "patient";
  return card(html`
    ${heading("You're not signed in any more.")}
    <p class="lead">
      ${patient
        ? "Open your link again: the one in the message from your clinic."
        : "Sign in again, and you'll be back in this visit."}
    </p>
    <div class="actions">
      ${patient
        ? button("Try again", () => location.reload(), "primary")
        : html`<a class="button button--primary" href=${context.signIn}><span>Sign in</span></a>`}
    </div>
  `);
}

/** The server denied access. */
export function refused(context: ViewContext): TemplateResult {
  const problem = context.state.problem;
  return card(html`
    ${heading(problem?.title || "You can't come into this visit right now.")}
    <p class="lead">${problem?.detail || "You aren't allowed in. If you think that's a mistake, contact your clinic."}</p>
    <div class="actions">${button("Try again", () => location.reload(), "primary")}</div>
  `);
}

/** Page and server are incompatible, usually because the page predates an update. */
export function broken(): TemplateResult {
  return card(html`
    ${heading("This page has to be loaded again.")}
    <p class="lead">Your place is kept.</p>
    <div class="actions">${button("Load it again", () => location.reload(), "primary")}</div>
  `);
}

/** A companion while another backend carries the call. */
export function apart(context: ViewContext): TemplateResult {
  return card(
    html`
      ${heading("You can't be in this call.")}
      <p class="lead">
        This visit's call is carried by another service, CometChat, and is for two: the patient and ${context.names.other}. Keep this page
        open: if the call comes back to the clinic's own server, this page continues automatically. Or call the clinic.
      </p>
    `,
    icon("offline", "icon--large"),
  );
}

/** The appointment could not be loaded. */
export function problem(context: ViewContext): TemplateResult {
  const fault = context.state.problem;
  if (fault?.passing === true) {
    return card(
      html`
        ${heading(fault.status === 0 ? "The clinic can't be reached." : "The clinic has a technical problem.")}
        <p class="lead">Keep this page open: we try again by ourselves.</p>
        <div class="actions">${button("Try now", () => void context.store.start(), "primary")}</div>
      `,
      icon("offline", "icon--large"),
    );
  }
  const [title, text] = problemWords(fault?.status ?? 0, fault?.title ?? "", fault?.detail ?? "");
  return card(html`
    ${heading(title)}
    <p class="lead">${text}</p>
    <div class="actions">${button("Try again", () => void context.store.start(), "primary")}</div>
  `);
}

function problemWords(status: number, title: string, detail: string): [string, string] {
  if (status === 404) return ["We can't find this appointment.", "The link may be old, or meant for someone else. Open the latest link from your clinic."];
  return [title || "The visit could not be opened.", detail || "Try again, or contact your clinic."];
}

/** Nothing is known yet. */
export function loading(): TemplateResult {
  return card(html`${heading("Opening your visit…")}`, icon("busy", "icon--turning icon--large"));
}

/** The time since something: "just now", "2 minutes ago". */
export function ago(context: ViewContext, since: number): string {
  const past = context.now - since;
  return past < 60_000 ? "just now" : `${spell(past)} ago`;
}
