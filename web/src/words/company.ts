import type { ParticipantView, Presence, Role } from "../signalling/messages.ts";

/** The note for observers. */
export const OBSERVING = "You see and hear; nobody sees or hears you.";

/** The display name of a role. */
export function roleWord(role: Role): string {
  return { patient: "Patient", provider: "Clinician", guest: "Guest", interpreter: "Interpreter", observer: "Observer" }[role];
}

/** A name with its role. */
export function withRole({ name, role }: Pick<ParticipantView, "name" | "role">): string {
  return `${name} (${roleWord(role).toLowerCase()})`;
}

/** A participant's presence in a few words. */
export function whereabouts(presence: Presence): string {
  switch (presence.name) {
    case "absent":
      return "not here yet";
    case "preparing":
      return "has opened the page";
    case "here":
      return "here";
    case "away":
      return "lost the connection";
    case "left":
      return "left";
  }
}

/** What changed among the participants since `before`, for a screen reader; empty if nothing did. */
export function comings(before: readonly ParticipantView[], now: readonly ParticipantView[]): string {
  const isIn = (people: readonly ParticipantView[], user: string): boolean => people.some((person) => person.user === user);
  const came = now.filter(({ user }) => !isIn(before, user)).map((person) => `${withRole(person)} has joined${person.role === "observer" ? ": sees and hears you" : ""}.`);
  const went = before.filter(({ user }) => !isIn(now, user)).map((person) => `${withRole(person)} has left.`);
  return [...came, ...went].join(" ");
}
