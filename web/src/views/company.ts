import { nothing, type TemplateResult } from "lit";

import { accompanies, company, present, publishes } from "../call/company.ts";
import type { ParticipantView } from "../signalling/messages.ts";
import { OBSERVING, roleWord, whereabouts, withRole } from "../words/company.ts";
import type { ViewContext } from "./context.ts";
import { html } from "./html.ts";
import { icon } from "./icons.ts";
import { avatar, type Part } from "./parts.ts";

/** Whether the user is an observer. */
export function watches({ state }: Pick<ViewContext, "state">): boolean {
  return state.part === "observer";
}

/** A strip with a small video of each companion who is present. */
export function strip(context: ViewContext, extra = ""): Part {
  const { view } = context.state;
  if (view === null || view.backend !== "embedded" || present(view).length === 0) return nothing;
  // Companions who left keep their place, hidden, because moving a video element pauses it.
  return html`<ul class="company ${extra}" tabindex="0" aria-label="Also in this visit">
    ${company(view).map((person) => tile(context, person))}
  </ul>`;
}

function tile({ state, pictures }: ViewContext, person: ParticipantView): TemplateResult {
  const { user, name, role, presence, microphone } = person;
  const there = presence.name === "here" || presence.name === "away";
  const sends = publishes(role);
  const words = instead(person, pictures.shows(user));
  const speaks = state.speaking === user;
  const floor = state.floor === user ? "tile--floor" : "";
  return html`<li class="tile ${floor} ${speaks ? "tile--speaks" : ""}" title=${name} ?hidden=${!there}>
    ${pictures.element(user) ?? nothing}
    ${words === null ? nothing : html`<span class="tile__instead">${sends ? avatar(name) : icon("eye")}<span>${words}</span></span>`}
    <span class="tile__foot">
      <span class="tile__name" dir="auto">${name}</span>
      <span class="tile__role">${sends && !microphone ? html`${icon("micOff")}<span class="vh">Muted, </span>` : nothing}${speaks ? html`<span class="vh">Speaking, </span>` : nothing}${roleWord(role)}</span>
    </span>
  </li>`;
}

/** The text shown instead of a video; `null` if there is a video. */
function instead({ role, presence, camera, capture }: ParticipantView, picture: boolean): string | null {
  if (presence.name === "away") return "Connection lost";
  if (!publishes(role)) return "Sees and hears";
  if (!camera) return "Camera off";
  if (capture !== "live") return "Paused";
  return picture ? null : "";
}

/** Lists the companions of this visit and where they are. */
export function alsoHere({ state: { view } }: ViewContext): Part {
  const people = view === null ? [] : company(view);
  if (view === null || people.length === 0) return nothing;
  const note = (person: ParticipantView): string =>
    view.backend !== "embedded" && accompanies(person.role) ? "not in this call: it is for two" : whereabouts(person.presence);
  return html`<div>
    <dt>Others</dt>
    <dd><ul class="also">${people.map((person) => html`<li>${withRole(person)} <small>${note(person)}</small></li>`)}</ul></dd>
  </div>`;
}

/** A note for observers. */
export function observing(): TemplateResult {
  return html`<p class="chip chip--line">${icon("eye")}<span>${OBSERVING}</span></p>`;
}
