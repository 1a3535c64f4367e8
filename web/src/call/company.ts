import type { ParticipantView, Role } from "../signalling/messages.ts";
import type { Shown } from "./view.ts";

/** Whether a role may be heard and seen, as `Role::publishes` in the server's `person.rs`. */
export function publishes(role: Role): boolean {
  return role !== "observer";
}

/** Whether a role comes beside the two that an appointment is between. */
export function accompanies(role: Role): boolean {
  return role !== "patient" && role !== "provider";
}

/** Everyone else but the one the page is about, in the server's order: who is new comes last. */
export function company(view: Shown): readonly ParticipantView[] {
  return view.others.filter(({ user }) => user !== view.other.user);
}

/** In the waiting room or the visit, perhaps cut off for a moment. */
export function isThere({ presence }: ParticipantView): boolean {
  return presence.name === "here" || presence.name === "away";
}

/** Those of the company who are there. */
export function present(view: Shown | null): readonly ParticipantView[] {
  return view === null ? [] : company(view).filter(isThere);
}
