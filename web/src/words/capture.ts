import type { CaptureWord } from "../devices/recovery.ts";

/** Why the other participant's media is missing; empty if it is not. */
export function captureWords(capture: CaptureWord, name: string): string {
  switch (capture) {
    case "live":
      return "";
    case "hidden":
      return `${name} has switched to another app or locked the phone. They're still here.`;
    case "interrupted":
      return `${name}'s phone has paused the camera and microphone, perhaps for a call.`;
    case "lost":
      return `${name}'s camera or microphone stopped. It's being started again.`;
    case "blocked":
      return `${name}'s camera and microphone are paused. They need to tap their screen to continue.`;
  }
}

/** A short form for lists. */
export function captureNote(capture: CaptureWord): string {
  switch (capture) {
    case "live":
      return "";
    case "hidden":
      return "In another app, or the phone is locked";
    case "interrupted":
      return "The phone has paused camera and microphone, perhaps for a call";
    case "lost":
      return "Camera or microphone stopped, and is being started again";
    case "blocked":
      return "Camera and microphone are paused until they tap their screen";
  }
}
