import type { Change, ParticipantView, View } from "../signalling/messages.ts";
import { isolated } from "../words/isolate.ts";

/** A view as the page uses it: the server's, and in it the one person the page is about. */
export interface Shown extends View {
  /** For the provider the patient, for everyone else the provider. */
  other: ParticipantView;
}

/**
 * The view as the page uses it. The person a page is about always has a seat, and it comes first. Names stand in the middle
 * of sentences: each keeps its direction of writing to itself.
 */
export function shown(view: View): Shown {
  const wanted = view.you.role === "provider" ? "patient" : "provider";
  const framed = (one: ParticipantView): ParticipantView => ({ ...one, name: isolated(one.name) });
  const [you, others] = [framed(view.you), view.others.map(framed)];
  return { ...view, you, others, other: others.find((other) => other.role === wanted) ?? you };
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
