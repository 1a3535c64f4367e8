import { type Api, type Appointment, Problem } from "../api/appointment.ts";
import type { Capture } from "../devices/capture.ts";
import type { Light } from "../devices/light.ts";
import { SignallingClient, type Transport } from "../signalling/client.ts";
import type { Admission, CallBackend as BackendName, Capture as CaptureWord, Change, Check, Command, DeviceCheck, Layer, Refusal, Role, UserId, View } from "../signalling/messages.ts";
import type { Socket } from "../signalling/socket.ts";
import { backOff, nothing, type Clock } from "../time/clock.ts";
import { NO_MEDIA, createNone, type CallBackend, type CreateBackend, type LoadBackend, type MediaWish } from "./backend.ts";
import { accompanies, publishes } from "./company.ts";
import { deviceCheck } from "./check.ts";
import { Publication, type Published, narrower, same, widens } from "./publication.ts";
import { type CallState, type Scene, type Unsent, isTogether, sceneOf } from "./state.ts";
import { apply, shown, type Shown } from "./view.ts";
import { Watching } from "./watching.ts";

/** Retry interval while the join window is closed. */
const KNOCK_EVERY = 15_000;
/** After this many failed connection attempts, the API is asked whether the user may still join. */
const DOUBT_AFTER = 4;

const CANCELLED = new Problem(403, "This appointment was cancelled.", "If you still need to be seen, ask your clinic for a new appointment.");

/** The dependencies of the store. */
export interface StoreOptions {
  role: Role;
  appointmentId: string;
  user: UserId;
  /** The appointment, if the page contains it, which saves a request. */
  given?: Appointment | undefined;
  api: Pick<Api, "admit" | "appointment" | "invite" | "callToken">;
  /** Origin of the server, empty for the page's own. */
  base: string;
  /** Returns the URL of the signalling WebSocket for a path from the API. */
  url: (path: string) => string;
  socket: (url: string) => Socket;
  loadBackend: LoadBackend;
  capture: (changed: () => void) => Capture;
  clock: Clock;
  random: () => number;
}

/** A command triggered by a user's click. */
export type Act = Exclude<Command["name"], "enter" | "set_media" | "report_check" | "report_capture" | "set_consent" | "say" | "report_media" | "report_stranger" | "move_call">;

/**
 * Combines the server's state, the user's devices and the media connection into one {@link CallState}. It makes no
 * decisions about a visit: it sends commands and displays the result.
 */
export class CallStore {
  readonly capture: Capture;
  readonly #options: StoreOptions;
  readonly #listeners = new Set<() => void>();
  #state: CallState;
  #client: SignallingClient | null = null;
  #backend: CallBackend | null = null;
  #backendName = "";
  #backends = 0;
  #toldCarries = false;
  readonly #publication: Publication;
  readonly #watching: Watching;
  #reported: DeviceCheck | null = null;
  #captured: CaptureWord = "live";
  #toldCapture: CaptureWord = "live";
  #greeted = false;
  /** The user clicked to rejoin, and the server has not answered yet. */
  #returning = false;
  #closed = false;
  #loads = 0;
  #given: Appointment | undefined;
  #stopRetry = nothing;
  #stopKnock = nothing;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#given = options.given;
    this.capture = options.capture(() => this.#onCapture());
    this.#publication = new Publication({
      send: (published) => this.#client?.command({ name: "set_media", ...published }),
      pending: () => this.#client?.pending("set_media") === true,
      forget: () => this.#client?.forget("set_media"),
    });
    this.#watching = new Watching(options.clock, (pictures) => this.#client?.watch(pictures));
    this.#state = {
      role: options.role,
      part: null,
      appointment: null,
      problem: null,
      transport: "connecting",
      view: null,
      stopping: null,
      admissions: [],
      speaking: null,
      floor: null,
      clockSkew: 0,
      capture: this.capture.state,
      lent: false,
      heard: false,
      light: "unknown",
      unsent: [],
      media: NO_MEDIA,
      published: this.#publication.now,
      busy: new Set(),
      refusal: null,
      here: true,
      declined: false,
      door: null,
    };
  }

  /** The current state. */
  get state(): CallState {
    return this.#state;
  }

  /** The current scene. */
  get scene(): Scene {
    return sceneOf(this.#state);
  }

  /** Subscribes to changes; the returned function unsubscribes. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Loads the appointment, connects, and requests the devices. Also retries after a problem. */
  async start(): Promise<void> {
    const load = ++this.#loads;
    this.#stopRetry();
    try {
      const { api, appointmentId, loadBackend } = this.#options;
      const appointment = this.#given ?? (await api.appointment(appointmentId));
      this.#given = undefined;
      const name = appointment.call.backend;
      const create = await loadBackend(name);
      if (this.#closed || load !== this.#loads) return;
      this.#set({ appointment, part: this.#partIn(appointment), problem: null, transport: "connecting" });
      this.#client?.close();
      this.#client = this.#connect(appointment.call.signalling);
      this.#carryBy(name, create, appointment);
      this.#client.start();
      // For companions, the server's answer decides whether devices are requested.
      if (this.#state.part !== null) void this.capture.acquire();
    } catch (error) {
      if (!this.#closed && load === this.#loads) this.#onProblem(error);
    }
  }

  /** Releases everything. */
  close(): void {
    this.#closed = true;
    this.#stopRetry();
    this.#stopKnock();
    this.#watching.close();
    this.#client?.close();
    this.#backend?.close();
    this.capture.close();
    this.#listeners.clear();
  }

  /** Performs a user's action. */
  act(name: Act): void {
    const returns = name === "rejoin" || name === "start";
    this.#returning ||= returns;
    const here = name !== "decline" && (returns || this.#state.here);
    const declined = name === "decline" || (this.#state.declined && !returns);
    this.#set({ refusal: null, busy: new Set([...this.#state.busy, name]), here, declined });
    this.#client?.command({ name });
    this.#follow();
  }

  /** Takes the visit back from the page it moved to. */
  useHere(): void {
    this.#set({ here: true });
    this.#client?.start();
  }

  /**
   * Turns media on or off. Turning off takes effect immediately, here and on the server. Turning on requires a
   * connection to the server, so that nothing is turned on later without the user noticing.
   */
  publish(change: Partial<Published>): void {
    const next = { ...this.#state.published, ...change };
    if (widens(this.#state.published, next) && this.#state.transport !== "open") return;
    this.#publication.choose(change);
    this.#set({ published: this.#publication.now });
    this.#follow();
  }

  /** Sets how large a participant's video is displayed, as far as that matters. */
  look(user: UserId, most: Layer): void {
    this.#watching.look(user, most);
  }

  /** Sets whether the page is visible. */
  show(visible: boolean): void {
    this.#watching.hide(!visible);
  }

  /** Sends a chat message to everyone in the visit, as soon as the server can be reached. */
  say(text: string): void {
    this.#set({ refusal: null, busy: new Set([...this.#state.busy, "say"]) });
    this.#client?.command({ name: "say", text });
  }

  /** Removes an unsent message from the list, to send it again, edit it, or discard it. */
  drop(unsent: Unsent): void {
    this.#set({ unsent: this.#state.unsent.filter((other) => other !== unsent) });
  }

  /** Moves the call to another backend. */
  move(backend: BackendName): void {
    this.#set({ refusal: null, busy: new Set([...this.#state.busy, "move_call"]) });
    this.#client?.command({ name: "move_call", backend });
  }

  /** Accepts the clinic's terms, or withdraws consent. */
  consent(given: boolean): void {
    const terms = this.#state.appointment?.call.terms?.id;
    if (terms !== undefined) this.#client?.command({ name: "set_consent", given, terms });
  }

  /** The microphone has picked up sound. */
  noteHeard(): void {
    if (this.#state.heard) return;
    this.#set({ heard: true });
    this.#report();
  }

  /** Records the brightness check of the camera's picture. */
  noteLight(light: Light): void {
    if (this.#state.light === light) return;
    this.#set({ light });
    this.#report();
  }

  /** The network is available again, or the page is visible again. */
  nudge(): void {
    this.#client?.nudge();
    if (this.#state.problem?.passing === true) void this.start();
  }

  /** Reports to the other participants whether this user's media is captured, and if not, why. */
  reportCapture(capture: CaptureWord): void {
    this.#captured = capture;
    this.#report();
  }

  /** The last report. */
  get captured(): CaptureWord {
    return this.#captured;
  }

  /** Creates a new patient link. */
  /** Approves or denies a request to join from another device. */
  async admit(admission: Admission, yes: boolean): Promise<void> {
    await this.#options.api.admit(this.#options.appointmentId, admission.id, yes);
    this.#set({ admissions: this.#state.admissions.filter(({ id }) => id !== admission.id) });
  }

  async invite(): Promise<string> {
    return this.#options.api.invite(this.#options.appointmentId);
  }

  /** WebRTC statistics of the media connection, for diagnostics. */
  async stats(): Promise<RTCStatsReport | undefined> {
    return this.#backend?.stats();
  }

  /** Retries the camera, and turns it on if that succeeds, as the user asked for it. */
  async retryDevices(): Promise<void> {
    const { camera, microphone } = this.#state.capture;
    await this.capture.acquire();
    const now = this.capture.state;
    this.publish({
      ...(camera === null && now.camera !== null ? { camera: true } : {}),
      ...(microphone === null && now.microphone !== null ? { microphone: true } : {}),
    });
  }

  #partIn({ patient, provider }: Appointment): Role | null {
    const { user } = this.#options;
    if (user === provider.userId) return "provider";
    return user === patient.userId ? "patient" : this.#state.part;
  }

  /** Creates the backend that carries the media. All but the embedded one connect only two participants. */
  #carryBy(name: string, load: CreateBackend, appointment: Appointment): void {
    const part = this.#partIn(appointment);
    const create = name === "embedded" || (part !== null && !accompanies(part)) ? load : createNone;
    const { api, base, role, user, clock, random } = this.#options;
    this.#backends += 1;
    this.#backendName = name;
    this.#toldCarries = false;
    this.#backend?.close();
    this.#backend = create({
      appointment,
      base,
      role,
      self: user,
      other: (role === "patient" ? appointment.provider : appointment.patient).userId,
      clock,
      random,
      offer: (peer, sdp) => this.#client?.offer(peer, sdp) ?? false,
      callToken: (fresh) => api.callToken(appointment.id, fresh),
      stranger: () => this.#client?.command({ name: "report_stranger" }),
      changed: () => this.#onMedia(),
    });
    this.#set({ media: this.#backend.state });
  }

  /** The call was moved: the visit continues with media over another backend. */
  async #moveTo(name: BackendName): Promise<void> {
    const turn = ++this.#backends;
    this.#backendName = name;
    try {
      const create = await this.#options.loadBackend(name);
      const { appointment } = this.#state;
      if (this.#closed || turn !== this.#backends || appointment === null) return;
      this.#carryBy(name, create, appointment);
      this.#backend?.reachable(this.#state.transport === "open", this.#state.view?.you.media ?? false);
      this.#follow();
    } catch (error) {
      if (!this.#closed && turn === this.#backends) this.#onProblem(error);
    }
  }

  #connect(path: string): SignallingClient {
    return new SignallingClient({
      url: this.#options.url(path),
      socket: this.#options.socket,
      clock: this.#options.clock,
      random: this.#options.random,
      events: {
        transport: (transport, attempt) => this.#onTransport(transport, attempt),
        snapshot: (view, now) => this.#onSnapshot(view, now),
        changed: (changes) => this.#onChanged(changes),
        acknowledged: (command) => this.#onAnswer(command, null),
        refused: (command, refusal) => this.#onAnswer(command, refusal),
        media: (message) => {
          this.#backend?.receive(message);
          if (message.type === "answer") this.#watching.repeat();
        },
        speaking: (user) => this.#set({ speaking: user, floor: user ?? this.#state.floor }),
        admissions: (admissions) => {
          if (admissions.length > 0 || this.#state.admissions.length > 0) this.#set({ admissions });
        },
        stopping: (until) => {
          if (until !== this.#state.stopping) this.#set({ stopping: until });
        },
      },
    });
  }

  #onTransport(transport: Transport, attempt: number): void {
    this.#set({ transport });
    this.#backend?.reachable(transport === "open", this.#state.view?.you.media ?? false);
    if (transport === "open") this.#report();
    if (transport === "refused") void this.#doubt();
    if (transport === "reconnecting" && attempt % DOUBT_AFTER === 0 && attempt > 0) void this.#doubt();
    this.#follow();
  }

  /** After many failed connection attempts, access may have been revoked, which only the API reports. */
  async #doubt(): Promise<void> {
    try {
      const { status } = await this.#options.api.appointment(this.#options.appointmentId);
      if (this.#closed || this.#state.transport !== "refused") return;
      // The appointment is still visible to the user, but nobody can join.
      if (status === "cancelled") this.#set({ problem: CANCELLED });
    } catch (error) {
      if (this.#closed || !(error instanceof Problem) || error.passing) return;
      if (this.#state.transport === "refused") {
        this.#set({ problem: error });
      } else if (this.#state.transport === "reconnecting") {
        this.#client?.close();
        this.#onProblem(error);
      }
    }
  }

  #onSnapshot(view: View, now: number): void {
    this.#reported = null;
    this.#toldCarries = view.you.media;
    this.#toldCapture = view.you.capture;
    this.#publication.reconnected(view.you);
    this.#set({ clockSkew: now - this.#options.clock.now() });
    this.#look(shown(view));
  }

  #onChanged(changes: readonly Change[]): void {
    const old = this.#state.view;
    if (old === null) return;
    const view = shown(changes.reduce<View>(apply, old));
    if (changes.some((change) => change.name === "you")) this.#publication.changed(view.you);
    this.#look(view);
  }

  #look(view: Shown): void {
    const out = view.stage.name === "left" || view.stage.name === "ended";
    if (!out) this.#returning = false;
    const here = this.#state.here && (!out || this.#returning);
    this.#set({ view, part: view.you.role, here, published: this.#publication.now });
    if (view.backend !== this.#backendName && this.#backend !== null) void this.#moveTo(view.backend);
    this.#follow();
  }

  #onAnswer(command: Command, refusal: Refusal | null): void {
    const busy = new Set(this.#state.busy);
    if (this.#client?.pending(command.name) !== true) busy.delete(command.name);
    this.#set({ busy });
    if (refusal !== null && (command.name === "rejoin" || command.name === "start")) this.#comeBackFailed();
    if (command.name === "enter") {
      this.#set({ door: refusal });
      if (refusal !== null) this.#knockLater();
    } else if (command.name === "say" && refusal !== null) {
      // The text is kept, whatever the reason.
      this.#set({ unsent: [...this.#state.unsent, { text: command.text, refusal }] });
    } else if (refusal === "signed_out") {
      this.#client?.close();
      this.#set({ transport: "signed_out" });
    } else if (command.name === "set_media") {
      const view = this.#state.view;
      if (refusal !== null && view !== null) this.#publication.refused(view.you);
      this.#set({ published: this.#publication.now });
    } else if (command.name !== "report_check" && command.name !== "report_media" && refusal !== null && refusal !== "not_now") {
      // `not_now` needs no message: the visit's stage has changed, and the page with it.
      this.#set({ refusal: { command: command.name, refusal } });
    } else if (command.name === "rejoin" || command.name === "start") {
      this.#set({ door: null });
    }
    this.#follow();
  }

  #comeBackFailed(): void {
    this.#returning = false;
    if (this.scene === "left" || this.scene === "ended") this.#set({ here: false });
  }

  #knockLater(): void {
    this.#stopKnock();
    this.#stopKnock = this.#options.clock.after(KNOCK_EVERY, () => {
      if (this.#state.door !== null && this.#greeted) this.#client?.greet({ name: "enter" });
    });
  }

  #onCapture(): void {
    const { camera: before, microphone: spoken } = this.#state.capture;
    const now = this.capture.state;
    // The checks of one device do not apply to another.
    const light = now.camera === before ? this.#state.light : "unknown";
    const heard = now.microphone === spoken && this.#state.heard;
    this.#set({ capture: now, light, heard });
    const { status, accepted, camera, microphone } = this.capture.state;
    if (accepted && (status === "ready" || status === "faulted")) {
      // The user chose to continue without a device, so it stays off until they turn it on.
      const there = narrower(this.#state.published, { microphone: microphone !== null, camera: camera !== null });
      if (!same(there, this.#state.published)) this.publish(there);
    }
    this.#report();
    this.#follow();
  }

  #onMedia(): void {
    if (this.#backend === null) return;
    const before = this.#state.media.link;
    this.#set({ media: this.#backend.state });
    this.#reportMedia();
    // Media loss is detected within a second; the signalling connection may be dead as well, which would otherwise be
    // noticed after ten.
    if (before === "up" && this.#state.media.link === "lost") this.#client?.nudge();
  }

  #onProblem(error: unknown): void {
    const problem = error instanceof Problem ? error : new Problem(0, "The visit could not be opened.", "");
    this.capture.release();
    if (problem.status === 401) {
      this.#set({ transport: "signed_out" });
      return;
    }
    this.#set({ problem });
    if (problem.passing) {
      const delay = backOff(this.#loads, 1_000, 1.6, 10_000, this.#options.random);
      this.#stopRetry = this.#options.clock.after(delay, () => void this.start());
    }
  }

  /** Updates devices, greeting and media for the current state. */
  #follow(): void {
    if (this.#closed) return;
    const wanted = this.#state.here && !isFinal(this.scene);
    const { status } = this.capture.state;
    const { published, view } = this.#state;
    const present = wanted && view !== null && isIn(view);
    const connected = present && isTogether(view, this.scene);
    const watches = this.#state.part === "observer";
    const lent = connected && this.#backend?.captures === true;
    if (lent !== this.#state.lent) this.#set({ lent });
    if ((!wanted || lent) && status !== "idle") return this.capture.release();
    if (wanted && !lent && !watches && status === "idle" && view !== null) return void this.capture.acquire();
    this.#greet(wanted);
    const { camera, microphone } = this.capture.state;
    if (microphone !== null) microphone.enabled = published.microphone;
    if (camera !== null) camera.enabled = published.camera;
    this.#backend?.update({
      present,
      connected,
      people: view?.others.filter(({ role }) => publishes(role)).length ?? 1,
      several: (view?.others.length ?? 1) > 1,
      awaited: awaitedOf(connected ? view : null),
      otherReady: present && view.other.media,
      published,
      microphone: present ? microphone : null,
      camera: present && published.camera ? camera : null,
    });
  }

  #greet(wanted: boolean): void {
    // A provider joins even with a device fault, because the patient is waiting.
    const { status } = this.capture.state;
    const settled = this.#state.lent || this.#state.part === "observer" || this.capture.settled || (this.#options.role === "provider" && status === "faulted");
    const greets = wanted && settled;
    if (greets === this.#greeted) return;
    this.#greeted = greets;
    this.#client?.greet(greets ? { name: "enter" } : null);
  }

  #report(): void {
    if (this.#state.transport !== "open") return;
    this.#reportMedia();
    if (this.#captured !== this.#toldCapture) {
      this.#toldCapture = this.#captured;
      this.#client?.command({ name: "report_capture", capture: this.#captured });
    }
    if (this.#state.lent) return;
    const check = deviceCheck(this.#state);
    if (JSON.stringify(check) === JSON.stringify(this.#reported)) return;
    this.#reported = check;
    this.#client?.command({ name: "report_check", check });
  }

  /** The server observes its own SFU and needs no reports. */
  #reportMedia(): void {
    const { media, view, transport } = this.#state;
    if (view === null || view.backend === "embedded" || transport !== "open") return;
    if (media.ready === this.#toldCarries) return;
    this.#toldCarries = media.ready;
    this.#client?.command({ name: "report_media", carries: media.ready });
  }

  #set(change: Partial<CallState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}

/** Whether this page stops all activity unless the user acts. */
function isFinal(scene: Scene): boolean {
  return scene === "moved" || scene === "signed_out" || scene === "refused" || scene === "broken" || scene === "problem" || scene === "apart";
}

/** The media expected from the other participant. Their device report is visible to the provider only. */
function awaitedOf(view: Shown | null): MediaWish["awaited"] {
  const other = view?.other;
  const comes = other !== undefined && other.presence.name === "here" && other.media && other.capture === "live" && publishes(other.role);
  const works = (state: Check | undefined): boolean => state === undefined || state === "works";
  return {
    sound: comes && other.microphone && works(other.check?.microphone),
    picture: comes && other.camera && works(other.check?.camera),
    certain: other?.check != null,
  };
}

function isIn(view: View): boolean {
  return view.you.presence.name === "here" || view.you.presence.name === "away";
}
