import type { ParticipantView, Role } from "../signalling/messages.ts";
import type { Shown } from "./view.ts";

/** Whether a role may send media, like `Role::publishes` in the server's `person.rs`. */
export function publishes(role: Role): boolean {
  return role !== "observer";
}

/** Whether a role is a companion, i.e. neither patient nor provider. */
export function accompanies(role: Role): boolean {
  return role !== "patient" && role !== "provider";
}

/** All participants except the counterpart, in the server's order: new ones come last. */
export function company(view: Shown): readonly ParticipantView[] {
  return view.others.filter(({ user }) => user !== view.other.user);
}

/** Whether a participant is in the waiting room or the visit, even if disconnected for a moment. */
export function isThere({ presence }: ParticipantView): boolean {
  return presence.name === "here" || presence.name === "away";
}

/** The companions who are present. */
export function present(view: Shown | null): readonly ParticipantView[] {
  return view === null ? [] : company(view).filter(isThere);
}
