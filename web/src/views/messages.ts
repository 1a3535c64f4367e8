import { nothing, type TemplateResult } from "lit";

import type { ChatMessage } from "../signalling/messages.ts";
import { company } from "../call/company.ts";
import type { Unsent } from "../call/state.ts";
import { unsentWords } from "../words/refusals.ts";
import { clockTime } from "../words/time.ts";
import type { ViewContext } from "./context.ts";
import { watches } from "./company.ts";
import { html } from "./html.ts";
import { icon } from "./icons.ts";
import { button, type Part } from "./parts.ts";

/** Maximum message length, like `ChatText::MAX` in the server. */
const LONGEST = 2_000;

/** Messages from others that the user has not read. */
export function unread({ state, ui }: ViewContext): readonly ChatMessage[] {
  const { view } = state;
  return view === null ? [] : view.messages.filter(({ number, from }) => number > ui.read && from !== view.you.user);
}

/** The button that opens the messages. */
export function messagesButton(context: ViewContext): TemplateResult {
  const lost = context.state.unsent.length;
  if (lost > 0) return button(`Messages (${lost} not sent)`, () => open(context), "primary", "message");
  const count = unread(context).length;
  return button(count === 0 ? "Messages" : `Messages (${count} new)`, () => open(context), count === 0 ? "plain" : "primary", "message");
}

/** The latest unread message, displayed above whatever else is shown. */
export function newMessage(context: ViewContext): Part {
  if (context.ui.dialog === "messages") return nothing;
  if (context.state.unsent.length > 0) {
    return html`<div class="said">${icon("alert")}<p>Your message was not sent.</p>${button("Show", () => open(context), "plain")}</div>`;
  }
  const last = unread(context).at(-1);
  if (last === undefined) return nothing;
  return html`<div class="said">
    ${icon("message")}
    <p><strong>${nameOf(context, last)}</strong> <span class="said__text" dir="auto">${last.text}</span></p>
    ${button("Read", () => open(context), "plain")}
  </div>`;
}

/** The dialog with messages and a text field. */
export function messages(context: ViewContext): TemplateResult {
  const { state, names } = context;
  const written = state.view?.messages ?? [];
  const several = state.view !== null && company(state.view).length > 0;
  if (watches(context)) return read(context, written);
  return html`
    ${written.length === 0
      ? html`<p class="remark">Nothing written yet. ${several ? "Everyone in the visit" : names.other} sees what you write at once, and it is kept with this visit.</p>`
      : list(context, written)}
    ${unsent(context)}
    <form class="write" @submit=${(event: SubmitEvent) => send(context, event)}>
      <label class="field">
        <span>Write to ${several ? "everyone" : names.other}</span>
        <textarea name="text" rows="2" maxlength=${LONGEST} dir="auto" enterkeyhint="send" @keydown=${sendByKey}></textarea>
      </label>
      <button type="submit" class="button button--primary">${icon("send")}<span>Send</span></button>
      ${state.busy.has("say") ? html`<p class="remark" role="status">${state.transport === "open" ? "Sending…" : "We'll send it as soon as you're connected again."}</p>` : nothing}
    </form>
  `;
}

/** Unsent messages with the reason, so that no text is lost. */
function unsent(context: ViewContext): Part {
  const { store, state } = context;
  if (state.unsent.length === 0) return nothing;
  return html`<ul class="talk talk--unsent" aria-label="Not sent">
    ${state.unsent.map(
      (message) => html`<li class="talk__line talk__line--own">
        <p class="refusal">${icon("alert")}Not sent. ${unsentWords(message.refusal)}</p>
        <p class="talk__text" dir="auto">${message.text}</p>
        <div class="actions">
          ${button("Send again", () => (store.drop(message), store.say(message.text)))}
          ${button("Change it", () => change(context, message), "quiet")} ${button("Remove", () => store.drop(message), "quiet")}
        </div>
      </li>`,
    )}
  </ul>`;
}

/** Puts an unsent message back into the text field, above its current text. */
function change({ store }: ViewContext, message: Unsent): void {
  const field = deepField();
  if (field === null) return;
  field.value = [message.text, field.value].filter((text) => text !== "").join("\n");
  field.focus();
  store.drop(message);
}

/** The text field in the element whose dialog is open. */
function deepField(): HTMLTextAreaElement | null {
  let active: Element | null = document.activeElement;
  while (active?.shadowRoot?.activeElement != null) active = active.shadowRoot.activeElement;
  return active?.closest("dialog")?.querySelector("textarea") ?? null;
}

/** Observers can read messages but not send any. */
function read(context: ViewContext, written: readonly ChatMessage[]): TemplateResult {
  return html`${written.length === 0 ? html`<p class="remark">Nothing written yet.</p>` : list(context, written)}
    <p class="remark">As an observer you read what is written, and write nothing.</p>`;
}

function list(context: ViewContext, written: readonly ChatMessage[]): TemplateResult {
  return html`<ol class="talk" aria-label="Messages" tabindex="0">${written.map((message) => line(context, message))}</ol>`;
}

function line(context: ViewContext, message: ChatMessage): TemplateResult {
  const own = message.from === context.state.view?.you.user;
  return html`<li class="talk__line ${own ? "talk__line--own" : ""}">
    <p class="talk__who">${own ? "You" : nameOf(context, message)} <time>${clockTime(message.at)}</time></p>
    <p class="talk__text" dir="auto">${message.text}</p>
  </li>`;
}

function nameOf({ state, names }: ViewContext, { from }: ChatMessage): string {
  return state.view?.others.find(({ user }) => user === from)?.name ?? names.other;
}

function open(context: ViewContext): void {
  context.change({ dialog: "messages", menu: false });
}

function send(context: ViewContext, event: SubmitEvent): void {
  event.preventDefault();
  const field = (event.target as HTMLFormElement).elements.namedItem("text") as HTMLTextAreaElement;
  const text = field.value.trim();
  if (text === "") return field.focus();
  context.store.say(text);
  field.value = "";
  field.focus();
}

/** Enter sends; Shift+Enter inserts a line break. */
function sendByKey(event: KeyboardEvent): void {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  (event.target as HTMLTextAreaElement).form?.requestSubmit();
}
