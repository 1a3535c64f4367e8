import type { Change, ParticipantView, View } from "../signalling/messages.ts";

/** A view as the page uses it: the server's, and in it the one person the page is about. */
export interface Shown extends View {
  /** For the provider the patient, for everyone else the provider. */
  other: ParticipantView;
}

/** The view as the page uses it. The person a page is about always has a seat, and it comes first. */
export function shown(view: View): Shown {
  const wanted = view.you.role === "provider" ? "patient" : "provider";
  return { ...view, other: view.others.find((other) => other.role === wanted) ?? view.you };
}

/** The view after a change, as `View::apply` in the server's `view.rs`. */
export function apply(view: View, change: Change): View {
  switch (change.name) {
    case "visit":
      return { ...view, visit: change.visit, messages: [] };
    case "backend":
      return { ...view, backend: change.backend };
    case "stage":
      return { ...view, stage: change.stage };
    case "you":
      return { ...view, you: change.you };
    case "other":
      return { ...view, others: placed(view.others, change.other) };
    case "said":
      return { ...view, messages: [...view.messages, change.message] };
  }
}

function placed(others: readonly ParticipantView[], other: ParticipantView): ParticipantView[] {
  const known = others.some(({ user }) => user === other.user);
  return known ? others.map((old) => (old.user === other.user ? other : old)) : [...others, other];
}
