import type { Role } from "./signalling/messages.ts";
import { VideoCall } from "./views/element.ts";

export type { PublicState, Scene } from "./call/state.ts";

/** `<patient-video-call>`: a waiting room that connects automatically when the provider starts. */
export class PatientVideoCall extends VideoCall {
  protected readonly seat: Role = "patient";
}

/** `<provider-video-call>`: shows who is waiting, and a button to start. */
export class ProviderVideoCall extends VideoCall {
  protected readonly seat: Role = "provider";
}

if (globalThis.customElements !== undefined) {
  if (customElements.get("patient-video-call") === undefined) customElements.define("patient-video-call", PatientVideoCall);
  if (customElements.get("provider-video-call") === undefined) customElements.define("provider-video-call", ProviderVideoCall);
}
