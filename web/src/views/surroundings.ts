import { Api, signallingUrl, type Appointment } from "../api/appointment.ts";
import { loadBackend } from "../call/backends.ts";
import { CallStore } from "../call/store.ts";
import { Capture } from "../devices/capture.ts";
import { surroundingsFault } from "../devices/fault.ts";
import { DeviceMemory } from "../devices/memory.ts";
import type { Role } from "../signalling/messages.ts";
import type { Socket } from "../signalling/socket.ts";
import { systemClock } from "../time/clock.ts";

/** The values of an element's attributes. */
export interface Settings {
  role: Role;
  appointmentId: string;
  user: string;
  base: string;
  /** The appointment, if the page contains it. */
  given: Appointment | undefined;
}

/** Creates a store with the browser's APIs. */
export function browserStore({ role, appointmentId, user, base, given }: Settings): CallStore {
  return new CallStore({
    role,
    appointmentId,
    user,
    given,
    base,
    api: new Api(base, user, (input, init) => fetch(input, init)),
    url: (path) => signallingUrl(base, location.href, path, user),
    socket: openSocket,
    loadBackend,
    capture: (changed) =>
      new Capture({
        devices: navigator.mediaDevices ?? null,
        permission: readPermission,
        surroundings: () =>
          surroundingsFault({
            secure: isSecureContext,
            mediaDevices: navigator.mediaDevices !== undefined,
            peerConnection: globalThis.RTCPeerConnection !== undefined,
            userAgent: navigator.userAgent,
          }),
        memory: new DeviceMemory(() => localStorage),
        compose: (tracks) => new MediaStream(tracks),
        changed,
      }),
    clock: systemClock,
    random: strongRandom,
  });
}

function openSocket(url: string): Socket {
  const socket = new WebSocket(url);
  const adapter: Socket = {
    onopen: null,
    onmessage: null,
    onclose: null,
    send: (text) => socket.send(text),
    close: (code) => socket.close(code),
  };
  socket.onopen = () => adapter.onopen?.();
  socket.onmessage = ({ data }: MessageEvent<unknown>) => adapter.onmessage?.({ data });
  socket.onclose = ({ code, reason }) => adapter.onclose?.({ code, reason });
  return adapter;
}

async function readPermission(name: "camera" | "microphone"): Promise<PermissionState | null> {
  try {
    return (await navigator.permissions.query({ name: name as PermissionName })).state;
  } catch {
    return null;
  }
}

/** A cryptographically strong random number 0…1, so that IDs of two pages never collide. */
function strongRandom(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
  return ((high & 0x1f_ffff) * 2 ** 32 + low) / 2 ** 53;
}
