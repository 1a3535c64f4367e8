import type { Clock } from "../../time/clock.ts";
import { backOff, nothing } from "../../time/clock.ts";
import type { MediaState } from "../backend.ts";
import type { App, Media, Order, Report } from "./protocol.ts";

/** Timeout of a step after which the document is reloaded. */
const STEP_WITHIN = 15_000;
/** Maximum ringing time. The other participant's page answers automatically. */
const ANSWER_WITHIN = 10_000;
/** How long the other participant may be missing from a running call before they are called again. */
const ALONE_FOR = 3_000;
/** Error codes of a login that is no longer valid. */
const LOGIN_GONE = ["AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "ERR_AUTH_TOKEN_NOT_FOUND", "AUTH_ERR_EMPTY_AUTH_TOKEN", "NOT_LOGGED_IN", "USER_NOT_LOGGED_IN"];
/** The error code of a call to a user that the service does not know any more. */
const OTHER_GONE = "ERR_UID_NOT_FOUND";

/** The CometChat user IDs of both sides. */
export interface Parties {
  self: string;
  other: string;
  /** Whether this side places the call. */
  calls: boolean;
  ringSeconds: number;
  app: App;
}

/** The effects of the state machine. */
export interface Surroundings {
  clock: Clock;
  random: () => number;
  /** Loads the document with the SDKs, replacing the current one. */
  load: () => void;
  /** Removes the document, which releases camera, microphone and sockets. */
  unload: () => void;
  order: (order: Order) => void;
  /** Returns an access token. `fresh`: the previous one is no longer valid. */
  token: (fresh: boolean) => Promise<string>;
  /** Reports a call from someone other than the counterpart. */
  stranger: () => void;
  changed: () => void;
}

type Phase =
  | { name: "off" }
  /** The document is loading or signing in. */
  | { name: "arriving" }
  /** Signed in, not in a call. */
  | { name: "idle" }
  /** The outgoing call is ringing; `session` is set once the service has assigned it. */
  | { name: "calling"; attempt: number; session: string | null }
  | { name: "accepting"; session: string }
  | { name: "joining"; session: string }
  /** `met`: the other participant has joined it. */
  | { name: "in"; session: string; met: boolean }
  /** Leaving everything before continuing. */
  | { name: "leaving" };

/** The target state. */
export interface Wish {
  present: boolean;
  connected: boolean;
  /** The other participant can receive calls. */
  otherReady: boolean;
  media: Media;
}

/**
 * The call of a visit over CometChat. The stage of the visit is decided by the server and passed as the target state;
 * CometChat's reports are inputs. The provider's side calls until it is answered; the patient's side answers calls from
 * the provider only.
 */
export class CometChatSession {
  readonly #parties: Parties;
  readonly #around: Surroundings;
  #phase: Phase = { name: "off" };
  #wish: Wish = { present: false, connected: false, otherReady: false, media: { microphone: false, camera: false } };
  /** An incoming call that arrived before the server reported that both are connected. */
  #early: string | null = null;
  /** Sessions that have ended on this side; late reports about them are ignored. */
  #over = new Set<string>();
  #attempts = 0;
  #failures = 0;
  /** Whether incoming calls are received. */
  #line = false;
  #trouble: string | null = null;
  #arrivals = 0;
  #stopStep = nothing;
  #stopAgain = nothing;
  #stopAlone = nothing;

  constructor(parties: Parties, around: Surroundings) {
    this.#parties = parties;
    this.#around = around;
  }

  /** The state of the connection to the other participant. Also "up" while signed in and idle. */
  get link(): MediaState["link"] {
    switch (this.#phase.name) {
      case "off":
        return "off";
      case "arriving":
        return this.#failures > 0 ? "lost" : "connecting";
      case "idle":
      case "calling":
      case "accepting":
      case "joining":
        return this.#wish.connected ? "connecting" : "up";
      case "leaving":
        return "connecting";
      case "in":
        return "up";
    }
  }

  /** Whether a call from the other participant could be received, or is in progress. */
  get ready(): boolean {
    switch (this.#phase.name) {
      case "off":
      case "arriving":
        return false;
      case "in":
        return true;
      case "idle":
      case "calling":
      case "accepting":
      case "joining":
      case "leaving":
        return this.#line;
    }
  }

  /** Whether the call's video surface is to be shown. */
  get shows(): boolean {
    return this.#phase.name === "in" || this.#phase.name === "joining";
  }

  /** The service's error code if the call cannot be established; `null` otherwise. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** Sets the target state. */
  update(wish: Wish): void {
    const before = this.#wish;
    this.#wish = wish;
    const { microphone, camera } = wish.media;
    const published = before.media.microphone !== microphone || before.media.camera !== camera;
    if (published && this.#phase.name === "in") this.#around.order({ type: "publish", media: wish.media });
    // The other participant could not receive the call that is ringing.
    if (!before.otherReady && wish.otherReady && this.#phase.name === "calling") this.#leave();
    this.#follow();
  }

  /** Processes a report from the document. */
  receive(report: Report): void {
    switch (report.type) {
      case "ready":
        if (this.#phase.name === "arriving") void this.#signIn(false);
        break;
      case "signed_in":
        this.#line = true;
        if (this.#phase.name === "arriving") this.#settle();
        break;
      case "line":
        this.#line = report.up;
        this.#around.changed();
        // The answer may have been missed.
        if (report.up && this.#phase.name === "calling") this.#leave();
        break;
      case "signed_out":
        // While arriving, this concerns only the previous login.
        if (this.#phase.name !== "off" && this.#phase.name !== "arriving") this.#renewLogin();
        break;
      case "incoming":
        this.#incoming(report.session, report.from);
        break;
      case "withdrawn":
        if (this.#early === report.session) this.#early = null;
        if (this.#phase.name === "accepting" && this.#phase.session === report.session) this.#leave();
        break;
      case "calling":
        if (this.#phase.name === "calling" && this.#phase.attempt === report.attempt) {
          this.#go({ name: "calling", attempt: report.attempt, session: report.session });
        }
        break;
      case "accepted":
        this.#accepted(report.session, report.initiator);
        break;
      case "unanswered":
        if (this.#sessionIs(report.session)) this.#retry(report.session);
        break;
      case "joined":
        if (this.#phase.name === "joining" && this.#phase.session === report.session) this.#joined(report.session);
        break;
      case "others":
        this.#others(report.session, report.count);
        break;
      case "ended":
        if (this.#sessionIs(report.session)) this.#retry(report.session);
        break;
      case "left":
        if (this.#phase.name === "leaving") this.#settle();
        break;
      case "failed":
        this.#failed(report.order, report.code);
        break;
    }
  }

  /** Ends the session. */
  close(): void {
    this.#stop();
    if (this.#phase.name !== "off") this.#around.unload();
    this.#phase = { name: "off" };
  }

  /** Acts on the target state if necessary. */
  #follow(): void {
    const { present, connected, otherReady } = this.#wish;
    if (!present) {
      if (this.#phase.name === "off") return;
      this.close();
      this.#around.changed();
      return;
    }
    switch (this.#phase.name) {
      case "off":
        this.#arrive();
        break;
      case "idle":
        if (connected && otherReady && this.#parties.calls) this.#call();
        else if (connected && this.#early !== null) this.#accept(this.#early);
        break;
      case "calling":
      case "accepting":
      case "joining":
      case "in":
        if (!connected) this.#leave();
        break;
      case "arriving":
      case "leaving":
        break;
    }
  }

  #arrive(): void {
    this.#early = null;
    this.#go({ name: "arriving" });
    this.#within(() => this.#arriveAgain("TIMEOUT"));
    this.#around.load();
  }

  async #signIn(fresh: boolean): Promise<void> {
    const arrival = ++this.#arrivals;
    try {
      const token = await this.#around.token(fresh);
      if (arrival !== this.#arrivals || this.#phase.name !== "arriving") return;
      const { app, self } = this.#parties;
      this.#around.order({ type: "sign_in", app, uid: self, token });
    } catch {
      if (arrival === this.#arrivals && this.#phase.name === "arriving") this.#arriveAgain("NO_TOKEN");
    }
  }

  /** Replaces an invalid login: gets a fresh token in a fresh document. */
  #renewLogin(): void {
    this.#stop();
    this.#go({ name: "arriving" });
    this.#within(() => this.#arriveAgain("TIMEOUT"));
    void this.#signIn(true);
  }

  #arriveAgain(why: string): void {
    this.#stop();
    this.#around.unload();
    this.#trouble = why;
    this.#failures += 1;
    this.#go({ name: "arriving" });
    const delay = backOff(this.#failures, 1_000, 2, 30_000, this.#around.random);
    this.#stopAgain = this.#around.clock.after(delay, () => this.#arrive());
  }

  /** Signed in, not in a call. */
  #settle(): void {
    this.#stop();
    this.#failures = 0;
    this.#trouble = null;
    this.#go({ name: "idle" });
    this.#follow();
  }

  #call(): void {
    const attempt = ++this.#attempts;
    this.#go({ name: "calling", attempt, session: null });
    const { other } = this.#parties;
    const ringSeconds = Math.min(this.#parties.ringSeconds, ANSWER_WITHIN / 1_000);
    this.#within(() => this.#leave(), STEP_WITHIN + ringSeconds * 1_000);
    this.#around.order({ type: "call", attempt, to: other, ringSeconds });
  }

  #incoming(session: string, from: string): void {
    if (this.#phase.name === "off" || this.#over.has(session)) return;
    if (from !== this.#parties.other || this.#parties.calls) {
      this.#around.order({ type: "refuse", session });
      if (from !== this.#parties.other) this.#around.stranger();
      return;
    }
    this.#early = session;
    if (!this.#wish.connected) return;
    // A new call means that their page was reloaded, so the previous call is over.
    if (this.#phase.name === "idle") this.#accept(session);
    else if (this.#phase.name === "joining" || this.#phase.name === "in") this.#leave();
  }

  #accept(session: string): void {
    this.#early = null;
    this.#go({ name: "accepting", session });
    this.#within(() => this.#leave());
    this.#around.order({ type: "accept", session });
  }

  /**
   * All tabs of a user receive this report. It concerns this one only if it placed the call or has just accepted it.
   */
  #accepted(session: string, initiator: string): void {
    const { self, other } = this.#parties;
    const phase = this.#phase;
    const called = phase.name === "calling" && initiator === self && (phase.session === null || phase.session === session);
    const answered = phase.name === "accepting" && initiator === other && phase.session === session;
    if (!called && !answered) return;
    this.#go({ name: "joining", session });
    this.#within(() => this.#leave());
    this.#around.order({ type: "join", session, media: this.#wish.media });
  }

  #joined(session: string): void {
    this.#stop();
    this.#failures = 0;
    this.#trouble = null;
    this.#go({ name: "in", session, met: false });
    // The media choice may have changed since the order to join.
    this.#around.order({ type: "publish", media: this.#wish.media });
    this.#aloneFor(STEP_WITHIN, session);
  }

  #others(session: string, count: number): void {
    if (this.#phase.name !== "in" || this.#phase.session !== session) return;
    this.#stopAlone();
    if (count > 0) this.#phase = { ...this.#phase, met: true };
    else this.#aloneFor(this.#phase.met ? ALONE_FOR : STEP_WITHIN, session);
  }

  /** The calling side waits a moment for the other participant, then calls again. */
  #aloneFor(time: number, session: string): void {
    this.#stopAlone();
    if (this.#parties.calls) this.#stopAlone = this.#around.clock.after(time, () => this.#retry(session));
  }

  /** A call ended although both are connected: leave everything and start again. */
  #retry(session: string): void {
    this.#over.add(session);
    this.#leave();
  }

  #leave(): void {
    const { session } = "session" in this.#phase ? this.#phase : { session: null };
    if (session !== null) this.#over.add(session);
    this.#stop();
    this.#go({ name: "leaving" });
    this.#within(() => this.#arriveAgain("TIMEOUT"));
    this.#around.order({ type: "leave" });
  }

  #failed(order: Order["type"], code: string): void {
    // Requesting a fresh token also registers both users with the service again.
    const unknown = LOGIN_GONE.includes(code) || (order === "call" && code === OTHER_GONE);
    if (unknown && this.#phase.name !== "off") return this.#renewLogin();
    switch (order) {
      case "sign_in":
        if (this.#phase.name === "arriving") this.#arriveAgain(code);
        break;
      case "call":
      case "accept":
      case "join": {
        if (this.#phase.name !== "calling" && this.#phase.name !== "accepting" && this.#phase.name !== "joining") return;
        this.#trouble = code;
        this.#failures += 1;
        const delay = backOff(this.#failures, 500, 2, 10_000, this.#around.random);
        this.#stop();
        this.#stopAgain = this.#around.clock.after(delay, () => this.#leave());
        this.#around.changed();
        break;
      }
      case "leave":
        if (this.#phase.name === "leaving") this.#arriveAgain(code);
        break;
      case "publish":
      case "refuse":
        break;
    }
  }

  #sessionIs(session: string): boolean {
    return "session" in this.#phase && this.#phase.session === session;
  }

  #within(late: () => void, time = STEP_WITHIN): void {
    this.#stopStep();
    this.#stopStep = this.#around.clock.after(time, late);
  }

  #stop(): void {
    this.#stopStep();
    this.#stopAgain();
    this.#stopAlone();
    this.#stopStep = this.#stopAgain = this.#stopAlone = nothing;
  }

  #go(phase: Phase): void {
    this.#phase = phase;
    this.#around.changed();
  }
}
