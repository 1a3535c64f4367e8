import { Capture } from "../devices/capture.ts";
import { DeviceMemory } from "../devices/memory.ts";

/** A track that only knows whether it is on. */
export function aTrack(kind: "audio" | "video"): MediaStreamTrack {
  const track = {
    kind,
    enabled: true,
    muted: false,
    readyState: "live",
    stop() {
      track.readyState = "ended";
    },
    addEventListener() {},
    getSettings: () => ({ deviceId: kind }),
  };
  return track as unknown as MediaStreamTrack;
}

/** A stream of such tracks. */
export function aStream({ audio, video }: MediaStreamConstraints): MediaStream {
  const tracks = [...(audio ? [aTrack("audio")] : []), ...(video ? [aTrack("video")] : [])];
  return {
    getTracks: () => tracks,
    getAudioTracks: () => tracks.filter((track) => track.kind === "audio"),
    getVideoTracks: () => tracks.filter((track) => track.kind === "video"),
  } as unknown as MediaStream;
}

/** Devices that answer as a test says. */
export class FakeDevices {
  asked: MediaStreamConstraints[] = [];
  kinds: MediaDeviceKind[] = ["audioinput", "videoinput"];
  permissions: Partial<Record<string, PermissionState>> = {};
  stored = new Map<string, string>();
  /** What `getUserMedia` throws for a question, if anything. */
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
        enumerateDevices: async () => this.kinds.map((kind) => ({ kind, deviceId: kind, label: kind }) as MediaDeviceInfo),
        addEventListener: () => {},
        removeEventListener: () => {},
      },
      permission: async (name) => this.permissions[name] ?? null,
      surroundings: () => null,
      memory: new DeviceMemory(() => ({
        getItem: (key) => this.stored.get(key) ?? null,
        setItem: (key, value) => void this.stored.set(key, value),
      })),
      changed,
    });
  }
}
