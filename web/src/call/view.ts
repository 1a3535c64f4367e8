import type { Change, ParticipantView, View } from "../signalling/messages.ts";
import { isolated } from "../words/isolate.ts";

/** The server's view, with the counterpart. */
export interface Shown extends View {
  /** The patient for the provider, the provider for everyone else. */
  other: ParticipantView;
}

/**
 * Prepares a view for the page. The counterpart always has a seat and comes first. Names appear in the middle of
 * sentences, so they are wrapped in directional isolates.
 */
export function shown(view: View): Shown {
  const wanted = view.you.role === "provider" ? "patient" : "provider";
  const framed = (one: ParticipantView): ParticipantView => ({ ...one, name: isolated(one.name) });
  const [you, others] = [framed(view.you), view.others.map(framed)];
  return { ...view, you, others, other: others.find((other) => other.role === wanted) ?? you };
}

/** Applies a change to a view, like `View::apply` in the server's `view.rs`. */
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
