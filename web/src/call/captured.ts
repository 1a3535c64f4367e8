import type { CaptureWord } from "../devices/recovery.ts";
import type { ParticipantView } from "../signalling/messages.ts";

/** Whether a person is being captured, as far as their page has said. */
export function captureOf(person: ParticipantView & { capture?: CaptureWord }): CaptureWord {
  return person.capture ?? "live";
}
