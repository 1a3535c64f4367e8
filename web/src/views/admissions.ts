import { nothing } from "lit";

import type { Admission } from "../signalling/messages.ts";
import { inCall } from "../call/state.ts";
import type { ViewContext } from "./context.ts";
import { html } from "./html.ts";
import { button, notice, type Part } from "./parts.ts";

/** Asks whether a request to join from another device than the one that used the link is from the same person. */
export function admissions(context: ViewContext): Part {
  const [asked] = context.state.admissions;
  if (asked === undefined || context.state.transport !== "open") return nothing;
  const question = notice(words(context, asked), "warn", answers(context, asked));
  const place = inCall(context.scene) ? "stage__notice" : "asks";
  return html`<div class=${place} role="alert">${question}</div>`;
}

function words({ state }: ViewContext, asked: Admission): string {
  const name = state.view?.others.find(({ user }) => user === asked.user)?.name ?? "A participant";
  const device = asked.device === null ? "" : ` (${asked.device})`;
  return `${name} asks to come in on another device${device}. Is it them? The one they use now is then signed out.`;
}

function answers({ store }: ViewContext, asked: Admission): Part {
  // If it fails, the question stays.
  const answer = (yes: boolean) => () => void store.admit(asked, yes).catch(() => {});
  return html`<span class="actions">${button("Let them in", answer(true), "plain")} ${button("Don't", answer(false), "quiet")}</span>`;
}
