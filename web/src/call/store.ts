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

/** How often a closed door is knocked at. */
const KNOCK_EVERY = 15_000;
/** After how many failed connects the API is asked whether coming back makes sense. */
const DOUBT_AFTER = 4;

const CANCELLED = new Problem(403, "This appointment was cancelled.", "If you still need to be seen, ask your clinic for a new appointment.");

/** What the store is made of. */
export interface StoreOptions {
  role: Role;
  appointmentId: string;
  user: UserId;
  /** What the API would say, if the page came with it: one round trip less. */
  given?: Appointment | undefined;
  api: Pick<Api, "admit" | "appointment" | "invite" | "callToken">;
  /** Origin of the server, empty for the page's own. */
  base: string;
  /** Address of the visit's WebSocket from the path the API gave. */
  url: (path: string) => string;
  socket: (url: string) => Socket;
  loadBackend: LoadBackend;
  capture: (changed: () => void) => Capture;
  clock: Clock;
  random: () => number;
}

/** A command that a person's click gives. */
export type Act = Exclude<Command["name"], "enter" | "set_media" | "report_check" | "report_capture" | "set_consent" | "say" | "report_media" | "report_stranger" | "move_call">;

/**
 * Unites the server's word, the person's devices and the media path into one {@link CallState}.
 * It decides nothing about a visit: it sends wishes and shows what comes back.
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
  /** They clicked to come back in; the server has not moved yet. */
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

  /** How everything stands. */
  get state(): CallState {
    return this.#state;
  }

  /** What the page is about. */
  get scene(): Scene {
    return sceneOf(this.#state);
  }

  /** Hears of every change; the result stops it. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads the appointment, connects, and asks for the devices. Also tries again after a problem. */
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
      // Whether anyone else is to be asked for their devices, the server says first.
      if (this.#state.part !== null) void this.capture.acquire();
    } catch (error) {
      if (!this.#closed && load === this.#loads) this.#onProblem(error);
    }
  }

  /** Lets go of everything. */
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

  /** Does what the person clicked. */
  act(name: Act): void {
    const returns = name === "rejoin" || name === "start";
    this.#returning ||= returns;
    const here = name !== "decline" && (returns || this.#state.here);
    const declined = name === "decline" || (this.#state.declined && !returns);
    this.#set({ refusal: null, busy: new Set([...this.#state.busy, name]), here, declined });
    this.#client?.command({ name });
    this.#follow();
  }

  /** Takes the visit back to this page from wherever it moved. */
  useHere(): void {
    this.#set({ here: true });
    this.#client?.start();
  }

  /**
   * Lets more or less of the person out. Less bites at once, here and on the server. More needs the
   * server to be within reach, so that nothing opens behind a person's back later.
   */
  publish(change: Partial<Published>): void {
    const next = { ...this.#state.published, ...change };
    if (widens(this.#state.published, next) && this.#state.transport !== "open") return;
    this.#publication.choose(change);
    this.#set({ published: this.#publication.now });
    this.#follow();
  }

  /** How large somebody's picture is shown, as far as there is a use for it. */
  look(user: UserId, most: Layer): void {
    this.#watching.look(user, most);
  }

  /** Whether anybody can see this page. */
  show(visible: boolean): void {
    this.#watching.hide(!visible);
  }

  /** Writes something to everyone in the visit. It goes out as soon as the server is within reach. */
  say(text: string): void {
    this.#set({ refusal: null, busy: new Set([...this.#state.busy, "say"]) });
    this.#client?.command({ name: "say", text });
  }

  /** Takes a message that was not sent out of the list: to send it again, to change it, or to do without. */
  drop(unsent: Unsent): void {
    this.#set({ unsent: this.#state.unsent.filter((other) => other !== unsent) });
  }

  /** Moves the call to another backend. */
  move(backend: BackendName): void {
    this.#set({ refusal: null, busy: new Set([...this.#state.busy, "move_call"]) });
    this.#client?.command({ name: "move_call", backend });
  }

  /** Agrees to the clinic's terms, or takes it back. */
  consent(given: boolean): void {
    const terms = this.#state.appointment?.call.terms?.id;
    if (terms !== undefined) this.#client?.command({ name: "set_consent", given, terms });
  }

  /** The microphone was heard. */
  noteHeard(): void {
    if (this.#state.heard) return;
    this.#set({ heard: true });
    this.#report();
  }

  /** The camera's picture was looked at. */
  noteLight(light: Light): void {
    if (this.#state.light === light) return;
    this.#set({ light });
    this.#report();
  }

  /** The network, or the page, is back. */
  nudge(): void {
    this.#client?.nudge();
    if (this.#state.problem?.passing === true) void this.start();
  }

  /** Tells the other person whether this one is captured, and if not, why. */
  reportCapture(capture: CaptureWord): void {
    this.#captured = capture;
    this.#report();
  }

  /** What they were told last. */
  get captured(): CaptureWord {
    return this.#captured;
  }

  /** Makes a new patient link. */
  /** Lets somebody in on another device, or does not. */
  async admit(admission: Admission, yes: boolean): Promise<void> {
    await this.#options.api.admit(this.#options.appointmentId, admission.id, yes);
    this.#set({ admissions: this.#state.admissions.filter(({ id }) => id !== admission.id) });
  }

  async invite(): Promise<string> {
    return this.#options.api.invite(this.#options.appointmentId);
  }

  /** Measurements of the media path, for diagnostics. */
  async stats(): Promise<RTCStatsReport | undefined> {
    return this.#backend?.stats();
  }

  /** Tries the camera again; having a picture again after a fault is what the person asked for. */
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

  /** Lets another backend carry the media. But for our own, they are for two. */
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

  /** The call was moved: the visit goes on, its media another way. */
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

  /** Many connects failed: the right to come may be gone, which only the API says. */
  async #doubt(): Promise<void> {
    try {
      const { status } = await this.#options.api.appointment(this.#options.appointmentId);
      if (this.#closed || this.#state.transport !== "refused") return;
      // They may still see it, and nobody comes into it any more.
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
      // Whatever the reason, the text is not lost.
      this.#set({ unsent: [...this.#state.unsent, { text: command.text, refusal }] });
    } else if (refusal === "signed_out") {
      this.#client?.close();
      this.#set({ transport: "signed_out" });
    } else if (command.name === "set_media") {
      const view = this.#state.view;
      if (refusal !== null && view !== null) this.#publication.refused(view.you);
      this.#set({ published: this.#publication.now });
    } else if (command.name !== "report_check" && command.name !== "report_media" && refusal !== null && refusal !== "not_now") {
      // "Not now" needs no words: the visit has moved on, and the page with it.
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
    // What was found out of one device says nothing of another.
    const light = now.camera === before ? this.#state.light : "unknown";
    const heard = now.microphone === spoken && this.#state.heard;
    this.#set({ capture: now, light, heard });
    const { status, accepted, camera, microphone } = this.capture.state;
    if (accepted && (status === "ready" || status === "faulted")) {
      // Going on without a device was chosen: it stays off until it is chosen otherwise.
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
    // Media fall silent within a second; the signalling connection may be as dead, and not know it for ten.
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

  /** Brings devices, greeting and media in line with the state. */
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
    // A provider comes in whatever their devices say: they have a patient to meet.
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

  /** Of its own media server the server knows itself. */
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

/** Whether nothing more comes from this page unless the person asks for it. */
function isFinal(scene: Scene): boolean {
  return scene === "moved" || scene === "signed_out" || scene === "refused" || scene === "broken" || scene === "problem" || scene === "apart";
}

/** What of the other person is to arrive. What their own page says is shown to the provider alone. */
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
