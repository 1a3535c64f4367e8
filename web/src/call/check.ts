import type { Check, DeviceCheck } from "../signalling/messages.ts";
import type { CallState } from "./state.ts";

/** This page's device check in the server's format. */
export function deviceCheck(state: Pick<CallState, "capture" | "heard" | "light">): DeviceCheck {
  const { status, camera, microphone, fault } = state.capture;
  const unfit = fault !== null && ["insecure", "unsupported", "in_app_browser"].includes(fault.kind);
  const of = (track: MediaStreamTrack | null): Check => {
    switch (status) {
      case "idle":
        return "unknown";
      case "asking":
        return "asking";
      case "ready":
      case "faulted":
        return track === null ? "blocked" : "works";
    }
  };
  return { browser: unfit ? "blocked" : "works", camera: of(camera), microphone: of(microphone), heard: state.heard, seen: state.light === "seen" };
}
