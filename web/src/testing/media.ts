import { Capture } from "../devices/capture.ts";
import { DeviceMemory } from "../devices/memory.ts";
import { settle } from "./clock.ts";

let made = 0;

/** A fake track that records changes. */
export function aTrack(kind: "audio" | "video"): MediaStreamTrack {
  const listeners = new Map<string, (() => void)[]>();
  const track = {
    kind,
    id: `${kind} ${++made}`,
    enabled: true,
    muted: false,
    readyState: "live",
    stop() {
      track.readyState = "ended";
    },
    addEventListener(name: string, run: () => void) {
      listeners.set(name, [...(listeners.get(name) ?? []), run]);
    },
    dispatchEvent({ type }: { type: string }) {
      for (const run of listeners.get(type) ?? []) run();
      return true;
    },
    getSettings: () => ({ deviceId: kind }),
  };
  return track as unknown as MediaStreamTrack;
}

/** Simulates an event of a track, as caused by a phone or an unplugged device. */
export function befall(track: MediaStreamTrack | null, what: "mute" | "unmute" | "ended"): void {
  if (track === null) return;
  if (what === "ended") track.stop();
  else Object.assign(track, { muted: what === "mute" });
  track.dispatchEvent({ type: what } as Event);
}

/** A stream of these tracks. */
export function streamOf(tracks: MediaStreamTrack[]): MediaStream {
  return {
    getTracks: () => tracks,
    getAudioTracks: () => tracks.filter((track) => track.kind === "audio"),
    getVideoTracks: () => tracks.filter((track) => track.kind === "video"),
  } as unknown as MediaStream;
}

/** A stream of new tracks. */
export function aStream({ audio, video }: MediaStreamConstraints): MediaStream {
  return streamOf([...(audio ? [aTrack("audio")] : []), ...(video ? [aTrack("video")] : [])]);
}

/** Fake media devices. */
export class FakeDevices {
  asked: MediaStreamConstraints[] = [];
  kinds: MediaDeviceKind[] = ["audioinput", "videoinput"];
  permissions: Partial<Record<string, PermissionState>> = {};
  stored = new Map<string, string>();
  /** Further devices for `enumerateDevices`. */
  listed: MediaDeviceInfo[] = [];
  #changed: (() => void)[] = [];
  /** The exception that `getUserMedia` throws for a request, if any. */
  fault: (constraints: MediaStreamConstraints) => string | null = () => null;

  capture(changed: () => void): Capture {
    return new Capture({
      devices: {
        getUserMedia: async (constraints) => {
          this.asked.push(constraints ?? {});
          const fault = this.fault(constraints ?? {});
          if (fault !== null) throw Object.assign(new Error(), { name: fault });
          return aStream(constraints ?? {});
        },
        enumerateDevices: async () => [
          ...this.kinds.map((kind) => ({ kind, deviceId: kind, label: kind }) as MediaDeviceInfo),
          ...this.listed,
        ],
        addEventListener: (_: string, run: unknown) => void this.#changed.push(run as () => void),
        removeEventListener: () => {},
      },
      permission: async (name) => this.permissions[name] ?? null,
      surroundings: () => null,
      memory: new DeviceMemory(() => ({
        getItem: (key) => this.stored.get(key) ?? null,
        setItem: (key, value) => void this.stored.set(key, value),
      })),
      compose: streamOf,
      changed,
    });
  }

  /** Simulates plugging in or unplugging a device. */
  async plug(kinds: MediaDeviceKind[], listed: MediaDeviceInfo[] = this.listed): Promise<void> {
    this.kinds = kinds;
    this.listed = listed;
    for (const run of this.#changed) run();
    await settle();
  }
}
