import type { Change, View } from "../signalling/messages.ts";

/** The view after a change, as `View::apply` in the server's `view.rs`. */
export function apply(view: View, change: Change): View {
  switch (change.name) {
    case "visit":
      return { ...view, visit: change.visit };
    case "stage":
      return { ...view, stage: change.stage };
    case "you":
      return { ...view, you: change.you };
    case "other":
      return { ...view, other: change.other };
  }
}
