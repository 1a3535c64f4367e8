import type { ChosenDevices } from "./memory.ts";

/** A kind of captured device. */
export type Captured = "camera" | "microphone";

/** The properties of a listed device. */
export type Listed = Pick<MediaDeviceInfo, "kind" | "deviceId" | "groupId" | "label">;

/** The device in use of one kind. */
export interface InUse {
  /** Its device ID; empty if the browser does not reveal it, `null` if none is in use. */
  device: string | null;
  /** Whether the user wants one: it was in use, or is only missing. */
  wanted: boolean;
}

const KIND: Record<Captured, MediaDeviceKind> = { camera: "videoinput", microphone: "audioinput" };

/**
 * Whether to switch devices: one was plugged in where there was none, the chosen one is available again, or the
 * system's default has changed.
 *
 * @param before the devices available when the one in use was selected
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

/** The browser's default only matters if the browser chose the device. */
function follows(device: string): boolean {
  return device === "default" || device === "";
}

/** The device that is the system's default, if the browser reveals it. */
function standard(list: readonly Listed[], of: Captured): string {
  const found = list.find((device) => device.kind === KIND[of] && device.deviceId === "default");
  return found === undefined ? "" : `${found.groupId} ${found.label}`;
}

/** The speaker to play on: the chosen one while it is available, else the system's default. */
export function speakerToUse(chosen: ChosenDevices, speakers: readonly { id: string }[]): string {
  return speakers.some(({ id }) => id === chosen.speaker) ? chosen.speaker : "";
}
