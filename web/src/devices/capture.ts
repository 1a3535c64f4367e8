import { type Fault, type FaultDevice, type FaultKind, faultKind } from "./fault.ts";
import { type Captured, type InUse, type Listed, shouldSwitch } from "./follow.ts";
import type { ChosenDevices, DeviceMemory } from "./memory.ts";
import type { Health } from "./recovery.ts";

/** A selectable device. */
export interface Device {
  id: string;
  label: string;
}

/** The progress of capturing. */
export type CaptureStatus = "idle" | "asking" | "ready" | "faulted";

/** The captured tracks and selectable devices. */
export interface CaptureState {
  status: CaptureStatus;
  stream: MediaStream | null;
  camera: MediaStreamTrack | null;
  microphone: MediaStreamTrack | null;
  fault: Fault | null;
  /** The user chose to continue despite a fault. */
  accepted: boolean;
  cameras: readonly Device[];
  microphones: readonly Device[];
  speakers: readonly Device[];
  chosen: ChosenDevices;
}

/** The browser APIs used for capturing. */
export interface CaptureOptions {
  /** `null` if the browser has none. */
  devices: Pick<MediaDevices, "getUserMedia" | "enumerateDevices" | "addEventListener" | "removeEventListener"> | null;
  /** Queries a permission, if the browser supports that. */
  permission: (name: "camera" | "microphone") => Promise<PermissionState | null>;
  /** Returns why capturing is not possible at all, if so. */
  surroundings: () => FaultKind | null;
  memory: DeviceMemory;
  /** Creates a stream from tracks. */
  compose: (tracks: MediaStreamTrack[]) => MediaStream;
  changed: () => void;
}

interface Wanted {
  camera: boolean;
  microphone: boolean;
}

/** The user's camera and microphone. */
export class Capture {
  readonly #options: CaptureOptions;
  #state: CaptureState;
  #turn = 0;
  /** The devices available when those in use were selected. */
  #listed: readonly Listed[] = [];

  constructor(options: CaptureOptions) {
    this.#options = options;
    this.#state = {
      status: "idle",
      stream: null,
      camera: null,
      microphone: null,
      fault: null,
      accepted: false,
      cameras: [],
      microphones: [],
      speakers: [],
      chosen: options.memory.load(),
    };
    options.devices?.addEventListener("devicechange", this.#onDeviceChange);
  }

  /** The current state. Replaced on every change, never mutated. */
  get state(): CaptureState {
    return this.#state;
  }

  /** Whether the devices are settled: they were granted, or the user chose to continue without. */
  get settled(): boolean {
    return this.#state.status === "ready" || this.#state.accepted;
  }

  /** Requests camera and microphone, or retries. */
  async acquire(wanted: Wanted = { camera: true, microphone: true }): Promise<void> {
    const turn = ++this.#turn;
    const blocked = this.#options.surroundings() ?? (this.#options.devices === null ? "unsupported" : null);
    if (blocked !== null) {
      this.#set({ status: "faulted", fault: { kind: blocked, device: "both" } });
      return;
    }
    this.#set({ status: "asking", fault: null });
    const outcome = await this.#try(wanted, turn);
    if (turn !== this.#turn) {
      stop(outcome.stream);
      return;
    }
    this.#take(outcome.stream, outcome.fault);
    await this.#enumerate();
  }

  /** Continues without the camera, requesting only the microphone if necessary. */
  async acceptSoundOnly(): Promise<void> {
    this.#set({ accepted: true });
    if (this.#state.microphone === null) await this.acquire({ camera: false, microphone: true });
  }

  /** Continues with the devices available, even if there are none. */
  accept(): void {
    this.#set({ accepted: true });
  }

  /** Switches to another device and remembers it. If that fails, the previous device is kept. */
  async choose(change: Partial<ChosenDevices>): Promise<void> {
    const chosen = { ...this.#state.chosen, ...change };
    this.#options.memory.save(chosen);
    this.#set({ chosen });
    if (change.camera === undefined && change.microphone === undefined) return;
    const camera = change.camera !== undefined || this.#state.camera !== null;
    const microphone = change.microphone !== undefined || this.#state.microphone !== null;
    const turn = ++this.#turn;
    let { stream, kind } = await this.#get({ camera, microphone }, turn);
    if (stream === null && kind === "in_use" && turn === this.#turn) {
      // Many phones can only open one camera at a time.
      stop(this.#state.stream);
      ({ stream, kind } = await this.#get({ camera, microphone }, turn));
    }
    if (turn !== this.#turn) {
      stop(stream);
    } else if (stream !== null) {
      this.#take(stream, null);
      await this.#enumerate();
    } else if (this.#dead("camera") || this.#dead("microphone")) {
      await this.acquire({ camera, microphone });
    }
  }

  /**
   * Replaces interrupted devices: requests those whose tracks deliver nothing, or those given, and keeps the others. If
   * that fails, nothing changes except that missing devices are dropped. Returns why it failed.
   */
  async rebuild(which: Partial<Wanted> = { camera: this.#dead("camera"), microphone: this.#dead("microphone") }): Promise<FaultKind | null> {
    const wanted = { camera: which.camera === true, microphone: which.microphone === true };
    if (!wanted.camera && !wanted.microphone) return null;
    const turn = ++this.#turn;
    let { stream, fault } = await this.#try(wanted, turn);
    if (stream === null && fault?.kind === "in_use" && turn === this.#turn) {
      // A track that delivers nothing can still hold the device.
      for (const of of ["camera", "microphone"] as const) if (this.#dead(of)) this.#state[of]?.stop();
      ({ stream, fault } = await this.#try(wanted, turn));
    }
    if (turn !== this.#turn) {
      stop(stream);
      return null;
    }
    if (stream === null && fault?.kind !== "none") return fault?.kind ?? "unknown";
    this.#replace(wanted, stream, fault);
    await this.#enumerate();
    return null;
  }

  /** Returns the state of the tracks of these kinds: the worst one. */
  health(of: Wanted): Health {
    const tracks = [of.camera ? this.#state.camera : null, of.microphone ? this.#state.microphone : null].filter((track) => track !== null);
    if (tracks.some((track) => track.readyState === "ended")) return "ended";
    if (tracks.some((track) => track.muted)) return "muted";
    return tracks.length === 0 ? "absent" : "live";
  }

  /** Releases camera and microphone, including their indicator lights. */
  release(): void {
    this.#turn += 1;
    stop(this.#state.stream);
    this.#set({ status: "idle", stream: null, camera: null, microphone: null, fault: null, accepted: false });
  }

  /** Releases everything permanently. */
  close(): void {
    this.#options.devices?.removeEventListener("devicechange", this.#onDeviceChange);
    this.release();
  }

  /** Requests devices. After a release or a newer request, nothing further is requested. */
  async #try(wanted: Wanted, turn: number): Promise<{ stream: MediaStream | null; fault: Fault | null }> {
    const first = await this.#get(wanted, turn);
    if (first.stream !== null || !wanted.camera || !wanted.microphone) {
      const device: FaultDevice = wanted.camera ? "camera" : "microphone";
      return { stream: first.stream, fault: first.kind === null ? null : { kind: first.kind, device } };
    }
    const kind = first.kind ?? "unknown";
    const blame = await this.#blame(kind);
    if (blame !== "microphone") {
      const sound = await this.#second(kind, blame, { camera: false, microphone: true }, turn);
      if (sound !== null) return { stream: sound, fault: { kind, device: "camera" } };
    }
    if (blame !== "camera") {
      const picture = await this.#second(kind, blame, { camera: true, microphone: false }, turn);
      if (picture !== null) return { stream: picture, fault: { kind, device: "microphone" } };
    }
    return { stream: null, fault: { kind, device: blame } };
  }

  /** Makes a second request only if that does not prompt the user again after a denial. */
  async #second(kind: FaultKind, blame: FaultDevice, wanted: Wanted, turn: number): Promise<MediaStream | null> {
    const refused = kind === "denied" || kind === "dismissed";
    if (refused && blame === "both") return null;
    return (await this.#get(wanted, turn)).stream;
  }

  async #blame(kind: FaultKind): Promise<FaultDevice> {
    if (kind === "none") {
      const devices = await this.#list();
      const has = (name: MediaDeviceKind): boolean => devices.some((device) => device.kind === name);
      if (has("audioinput") !== has("videoinput")) return has("audioinput") ? "camera" : "microphone";
      return "both";
    }
    const { permission } = this.#options;
    const [camera, microphone] = await Promise.all([permission("camera"), permission("microphone")]);
    if (camera === "denied" && microphone !== "denied" && microphone !== null) return "camera";
    if (microphone === "denied" && camera !== "denied" && camera !== null) return "microphone";
    return "both";
  }

  async #get(wanted: Wanted, turn: number): Promise<{ stream: MediaStream | null; kind: FaultKind | null }> {
    for (const relaxed of [false, true]) {
      if (turn !== this.#turn) break;
      try {
        const stream = await this.#options.devices?.getUserMedia(constraints(wanted, this.#state.chosen, relaxed));
        return { stream: stream ?? null, kind: stream === undefined ? "unsupported" : null };
      } catch (error) {
        const kind = faultKind(error);
        if (relaxed || kind !== "overconstrained") return { stream: null, kind };
      }
    }
    return { stream: null, kind: "unknown" };
  }

  #take(stream: MediaStream | null, fault: Fault | null): void {
    const camera = stream?.getVideoTracks()[0] ?? null;
    const microphone = stream?.getAudioTracks()[0] ?? null;
    // A computer without a camera cannot be fixed by the user; audio is enough to join.
    const enough = fault === null || (fault.kind === "none" && fault.device === "camera");
    this.#use({ camera, microphone }, stream, { status: enough ? "ready" : "faulted", fault });
  }

  /** Like `#take`, for some of the devices of a user who has already joined: a fault does not remove them. */
  #replace(wanted: Wanted, stream: MediaStream | null, fault: Fault | null): void {
    const camera = wanted.camera ? (stream?.getVideoTracks()[0] ?? null) : this.#state.camera;
    const microphone = wanted.microphone ? (stream?.getAudioTracks()[0] ?? null) : this.#state.microphone;
    const tracks = [camera, microphone].filter((track) => track !== null);
    const stays = remaining(this.#state.fault, wanted);
    const both = fault !== null && stays !== null;
    this.#use({ camera, microphone }, tracks.length === 0 ? null : this.#options.compose(tracks), {
      status: "ready",
      fault: both ? { kind: fault.kind, device: "both" } : (fault ?? stays),
    });
  }

  #use(tracks: Pick<CaptureState, Captured>, stream: MediaStream | null, change: Partial<CaptureState>): void {
    const { stream: old, ...before } = this.#state;
    for (const of of ["camera", "microphone"] as const) {
      const track = tracks[of];
      if (track === null || track === before[of]) continue;
      // A track that replaces a muted one is muted from the start.
      track.enabled = before[of]?.enabled ?? track.enabled;
      for (const event of ["ended", "mute", "unmute"]) track.addEventListener(event, () => this.#onTrack(track));
    }
    this.#set({ ...change, ...tracks, stream });
    const kept = Object.values(tracks);
    for (const track of old?.getTracks() ?? []) if (!kept.includes(track)) track.stop();
  }

  #onTrack(track: MediaStreamTrack): void {
    if (track === this.#state.camera || track === this.#state.microphone) this.#set({});
  }

  readonly #onDeviceChange = (): void => {
    void this.#follow();
  };

  /** Switches to devices that were plugged in, and away from those that were unplugged. */
  async #follow(): Promise<void> {
    const before = this.#listed;
    await this.#enumerate();
    if (this.#state.status !== "ready") return;
    const now = this.#listed;
    const other = (of: Captured): boolean => shouldSwitch(of, this.#inUse(of), this.#state.chosen, before, now);
    await this.rebuild({ camera: other("camera"), microphone: other("microphone") });
  }

  #inUse(of: Captured): InUse {
    const track = this.#state[of];
    const { fault, accepted } = this.#state;
    const missing = fault?.kind === "none" && (fault.device === of || fault.device === "both") && !accepted;
    return { device: track === null ? null : (track.getSettings().deviceId ?? ""), wanted: track !== null || missing };
  }

  /** Whether a track that should deliver media was interrupted, e.g. by a phone call. */
  #dead(of: Captured): boolean {
    const track = this.#state[of];
    return track !== null && (track.readyState === "ended" || track.muted);
  }

  async #enumerate(): Promise<void> {
    const devices = await this.#list();
    this.#listed = devices;
    const of = (kind: MediaDeviceKind): Device[] =>
      devices
        .filter((device) => device.kind === kind && device.deviceId !== "")
        .map((device) => ({ id: device.deviceId, label: device.label }));
    this.#set({ cameras: of("videoinput"), microphones: of("audioinput"), speakers: of("audiooutput") });
  }

  async #list(): Promise<MediaDeviceInfo[]> {
    try {
      return (await this.#options.devices?.enumerateDevices()) ?? [];
    } catch {
      return [];
    }
  }

  #set(change: Partial<CaptureState>): void {
    this.#state = { ...this.#state, ...change };
    this.#options.changed();
  }
}

function constraints(wanted: Wanted, chosen: ChosenDevices, relaxed: boolean): MediaStreamConstraints {
  const device = (id: string): MediaTrackConstraints => (id === "" ? {} : { deviceId: { ideal: id } });
  const camera: MediaTrackConstraints = {
    ...device(chosen.camera),
    width: { ideal: 1280 },
    height: { ideal: 720 },
    frameRate: { ideal: 30, max: 30 },
    ...(chosen.camera === "" ? { facingMode: "user" } : {}),
  };
  const microphone: MediaTrackConstraints = {
    ...device(chosen.microphone),
    echoCancellation: true,
    noiseSuppression: true,
    autoGainControl: true,
  };
  return {
    video: wanted.camera && (relaxed || camera),
    audio: wanted.microphone && (relaxed || microphone),
  };
}

/** Returns the part of a fault that remains after these devices were requested again. */
function remaining(fault: Fault | null, asked: Wanted): Fault | null {
  if (fault === null || (asked.camera && asked.microphone)) return null;
  const other: FaultDevice = asked.camera ? "microphone" : "camera";
  return fault.device === "both" || fault.device === other ? { kind: fault.kind, device: other } : null;
}

function stop(stream: MediaStream | null): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
