import { type Fault, type FaultDevice, type FaultKind, faultKind } from "./fault.ts";
import { type Captured, type InUse, type Listed, shouldSwitch } from "./follow.ts";
import type { ChosenDevices, DeviceMemory } from "./memory.ts";
import type { Health } from "./recovery.ts";

/** A device that can be chosen. */
export interface Device {
  id: string;
  label: string;
}

/** How far capturing has come. */
export type CaptureStatus = "idle" | "asking" | "ready" | "faulted";

/** What is captured, and what there is to choose from. */
export interface CaptureState {
  status: CaptureStatus;
  stream: MediaStream | null;
  camera: MediaStreamTrack | null;
  microphone: MediaStreamTrack | null;
  fault: Fault | null;
  /** The person chose to go on as it is; a fault does not hold them up. */
  accepted: boolean;
  cameras: readonly Device[];
  microphones: readonly Device[];
  speakers: readonly Device[];
  chosen: ChosenDevices;
}

/** What capturing needs of the browser. */
export interface CaptureOptions {
  /** `null` where the browser has none. */
  devices: Pick<MediaDevices, "getUserMedia" | "enumerateDevices" | "addEventListener" | "removeEventListener"> | null;
  /** The browser's word on a permission, where it gives one. */
  permission: (name: "camera" | "microphone") => Promise<PermissionState | null>;
  /** Why nothing can be captured here at all. */
  surroundings: () => FaultKind | null;
  memory: DeviceMemory;
  /** Makes one stream of tracks. */
  compose: (tracks: MediaStreamTrack[]) => MediaStream;
  changed: () => void;
}

interface Wanted {
  camera: boolean;
  microphone: boolean;
}

/** The person's camera and microphone. */
export class Capture {
  readonly #options: CaptureOptions;
  #state: CaptureState;
  #turn = 0;
  /** What there was to choose from when the devices in use were taken. */
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

  /** How it stands. Replaced, never changed in place. */
  get state(): CaptureState {
    return this.#state;
  }

  /** Whether it is decided what this person brings: they were granted, or chose to go on without. */
  get settled(): boolean {
    return this.#state.status === "ready" || this.#state.accepted;
  }

  /** Asks for camera and microphone, or tries again. */
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

  /** Goes on without the camera, asking for the microphone alone if it is not there yet. */
  async acceptSoundOnly(): Promise<void> {
    this.#set({ accepted: true });
    if (this.#state.microphone === null) await this.acquire({ camera: false, microphone: true });
  }

  /** Goes on with what there is, be it nothing. */
  accept(): void {
    this.#set({ accepted: true });
  }

  /** Uses another device from now on, and next time. An unusable one leaves all as it was. */
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
      // Many phones have one camera at a time.
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
   * Replaces what was taken away: asks for the devices whose tracks deliver nothing, or for those that
   * are named, and leaves the others alone. What cannot be had leaves all as it was, except a device
   * that is not there any more. Gives why it was not done.
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

  /** How the tracks of the named kinds do: the worst of them. */
  health(of: Wanted): Health {
    const tracks = [of.camera ? this.#state.camera : null, of.microphone ? this.#state.microphone : null].filter((track) => track !== null);
    if (tracks.some((track) => track.readyState === "ended")) return "ended";
    if (tracks.some((track) => track.muted)) return "muted";
    return tracks.length === 0 ? "absent" : "live";
  }

  /** Turns camera and microphone off, lights and all. */
  release(): void {
    this.#turn += 1;
    stop(this.#state.stream);
    this.#set({ status: "idle", stream: null, camera: null, microphone: null, fault: null, accepted: false });
  }

  /** Lets go for good. */
  close(): void {
    this.#options.devices?.removeEventListener("devicechange", this.#onDeviceChange);
    this.release();
  }

  /** Asks as long as the answer is still wanted: after a release, or another question, nothing more is asked. */
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

  /** A second question is put only where it does not open a second prompt for a "no" just given. */
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
    // No camera in the machine is nothing a person can mend: their sound is enough to come in.
    const enough = fault === null || (fault.kind === "none" && fault.device === "camera");
    this.#use({ camera, microphone }, stream, { status: enough ? "ready" : "faulted", fault });
  }

  /** As `#take`, for some of the devices of a person who is in already: a fault does not put them out. */
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
      // What replaces a muted track is muted from its first moment.
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

  /** Uses what was plugged in, and leaves what was unplugged. */
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

  /** Whether a track that should deliver was taken away, as by a phone call. */
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

/** What is left of a fault once these devices were asked for anew. */
function remaining(fault: Fault | null, asked: Wanted): Fault | null {
  if (fault === null || (asked.camera && asked.microphone)) return null;
  const other: FaultDevice = asked.camera ? "microphone" : "camera";
  return fault.device === "both" || fault.device === other ? { kind: fault.kind, device: other } : null;
}

function stop(stream: MediaStream | null): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
