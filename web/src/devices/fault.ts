import { appOf } from "./in_app.ts";

/** Why a camera or a microphone is not available. */
export type FaultKind =
  | "denied"
  | "denied_by_system"
  | "dismissed"
  | "in_use"
  | "none"
  | "insecure"
  | "unsupported"
  | "in_app_browser"
  | "overconstrained"
  | "unknown";

/** The device concerned. */
export type FaultDevice = "camera" | "microphone" | "both";

/** A device fault. */
export interface Fault {
  kind: FaultKind;
  device: FaultDevice;
}

/** Preconditions that are known before any device is requested. */
export interface Surroundings {
  secure: boolean;
  mediaDevices: boolean;
  peerConnection: boolean;
  userAgent: string;
}

/** Maps an exception of `getUserMedia`. */
export function faultKind(error: unknown): FaultKind {
  const { name, message } = describe(error);
  switch (name) {
    case "NotAllowedError":
    case "PermissionDeniedError":
      if (/dismiss/i.test(message)) return "dismissed";
      return /system/i.test(message) ? "denied_by_system" : "denied";
    case "NotFoundError":
    case "DevicesNotFoundError":
      return "none";
    case "NotReadableError":
    case "TrackStartError":
    case "AbortError":
      return "in_use";
    case "OverconstrainedError":
    case "ConstraintNotSatisfiedError":
      return "overconstrained";
    case "SecurityError":
      return "insecure";
    case "NotSupportedError":
      return "unsupported";
    default:
      return "unknown";
  }
}

/** Returns why devices cannot be requested at all; `null` if they can. */
export function surroundingsFault(surroundings: Surroundings): FaultKind | null {
  if (!surroundings.secure) return "insecure";
  if (surroundings.mediaDevices && surroundings.peerConnection) return null;
  return appOf(surroundings.userAgent) !== null ? "in_app_browser" : "unsupported";
}

function describe(error: unknown): { name: string; message: string } {
  if (typeof error !== "object" || error === null) return { name: "", message: "" };
  const { name, message } = error as { name?: unknown; message?: unknown };
  return { name: typeof name === "string" ? name : "", message: typeof message === "string" ? message : "" };
}
