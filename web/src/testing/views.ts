import type { ParticipantView, Role, Stage, View } from "../signalling/messages.ts";

const PERSON: Omit<ParticipantView, "user" | "name" | "role"> = {
  presence: { name: "here", since: 1 },
  microphone: true,
  camera: true,
  media: false,
  capture: "live",
  consent: null,
  check: null,
  device_changed: null,
};

/** Somebody who comes beside the two. */
export function aCompanion(user: string, role: Role, change: Partial<ParticipantView> = {}): ParticipantView {
  const publishes = role !== "observer";
  return { ...PERSON, microphone: publishes, camera: publishes, user, name: `The ${role}`, role, ...change };
}

/** A view for tests: the patient's, in the waiting room, unless said otherwise. */
export function aView(stage: Stage = { name: "waiting", since: 1 }, role: Role = "patient", you: Partial<ParticipantView> = {}): View {
  const patient: ParticipantView = { ...PERSON, user: "p", name: "Rosa", role: "patient" };
  const provider: ParticipantView = { ...PERSON, user: "d", name: "Dr. Okafor", role: "provider" };
  const [self, other] = role === "patient" ? [patient, provider] : [provider, patient];
  return { visit: "v", stage, backend: "embedded", you: { ...self, ...you }, others: [other], messages: [] };
}
