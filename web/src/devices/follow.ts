import type { ChosenDevices } from "./memory.ts";

/** One of the two that can be captured. */
export type Captured = "camera" | "microphone";

/** What a browser lists of a device. */
export type Listed = Pick<MediaDeviceInfo, "kind" | "deviceId" | "groupId" | "label">;

/** What is in use of one kind. */
export interface InUse {
  /** Its device's id; empty if the browser does not say, `null` if nothing is in use. */
  device: string | null;
  /** Whether the person wants one: it was there, or is only missing. */
  wanted: boolean;
}

const KIND: Record<Captured, MediaDeviceKind> = { camera: "videoinput", microphone: "audioinput" };

/**
 * Whether another device is to be used from now on: one was plugged in where there was none, the chosen
 * one is back, or the system's default is another one.
 *
 * @param before the list at the time the device in use was taken
 */
export function shouldSwitch(of: Captured, use: InUse, chosen: ChosenDevices, before: readonly Listed[], now: readonly Listed[]): boolean {
  if (!use.wanted) return false;
  const there = now.filter((device) => device.kind === KIND[of]);
  if (there.length === 0) return false;
  if (use.device === null) return true;
  const choice = chosen[of];
  if (choice !== "" && there.some((device) => device.deviceId === choice)) return use.device !== "" && use.device !== choice;
  return follows(use.device) && standard(before, of) !== standard(now, of);
}

/** Only where the browser itself chose does its default matter. */
function follows(device: string): boolean {
  return device === "default" || device === "";
}

/** What the system's default stands for, where the browser says. */
function standard(list: readonly Listed[], of: Captured): string {
  const found = list.find((device) => device.kind === KIND[of] && device.deviceId === "default");
  return found === undefined ? "" : `${found.groupId} ${found.label}`;
}

/** The speaker to play on: the chosen one while it is there, else the system's. */
export function speakerToUse(chosen: ChosenDevices, speakers: readonly { id: string }[]): string {
  return speakers.some(({ id }) => id === chosen.speaker) ? chosen.speaker : "";
}
