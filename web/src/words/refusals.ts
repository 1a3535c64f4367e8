import type { Refusal } from "../signalling/messages.ts";

/** Why a message was not sent, and what to do. */
export function unsentWords(refusal: Refusal): string {
  switch (refusal) {
    case "not_now":
      return "Only people in the visit can write.";
    case "malformed":
      return "A message has 1 to 2,000 characters.";
    case "wrong_role":
    case "too_early":
    case "closed":
    case "cancelled":
    case "signed_out":
    case "not_saved":
    case "stopping":
    case "no_backend":
    case "full":
      return refusalWords(refusal);
  }
}

/** The sentence for a refused command. */
export function refusalWords(refusal: Refusal): string {
  switch (refusal) {
    case "wrong_role":
      return "That is for the other person of this visit.";
    case "not_now":
      return "This isn't possible in the visit any more.";
    case "too_early":
      return "It's a little early. The waiting room opens shortly before your appointment.";
    case "closed":
      return "The time for this visit has passed.";
    case "cancelled":
      return "This appointment was cancelled.";
    case "signed_out":
      return "You're not signed in any more.";
    case "not_saved":
      return "That could not be saved. Please try again.";
    case "stopping":
      return "The clinic's system is about to restart. Please try again in a minute.";
    case "no_backend":
      return "This clinic doesn't use that call service.";
    case "full":
      return "You've reached the limit of messages for this visit.";
    case "malformed":
      return "The clinic's system can't take that. Please load the page again.";
  }
}
