import { nothing, type Clock } from "../time/clock.ts";
import type { Capture as Word } from "../signalling/messages.ts";
import type { FaultKind } from "./fault.ts";

/**
 * Whether the user's media is captured, and if not, why. Reported to the other participants.
 *
 * - `hidden`: the page is in the background, and the phone has stopped capturing
 * - `interrupted`: the system took camera or microphone, e.g. for a phone call
 * - `lost`: a device is gone and is being replaced
 * - `blocked`: the page is waiting for the user's tap
 */
export type CaptureWord = Word;

/** The state of the tracks the user sends: the worst one. `absent` if there are none. */
export type Health = "absent" | "live" | "muted" | "ended";

/** A track muted by the system often recovers automatically within this time. */
const PROBE = 1_000;
/** A browser that does not answer for this long is waiting for the user. */
const PATIENCE = 5_000;
/** Retry interval for a device used by another app, e.g. for a phone call. */
const AGAIN = 4_000;

/** The dependencies of recovery. */
export interface RecoveryOptions {
  clock: Clock;
  health: () => Health;
  /** Requests the devices again in the same seat. Returns why it failed, or `null`. */
  rebuild: () => Promise<FaultKind | null>;
  /** Called when {@link Recovery.word} or {@link Recovery.asks} may have changed. */
  changed: () => void;
}

type Phase = "well" | "away" | "probing" | "rebuilding" | "settling" | "waiting" | "accepted";

/**
 * Resumes capturing after an interruption: automatically where the browser allows it, otherwise with one tap. No device
 * is requested while the page is in the background.
 */
export class Recovery {
  readonly #options: RecoveryOptions;
  #phase: Phase = "well";
  #visible = true;
  #soundBlocked = false;
  /** The user is asked for a tap until capturing has recovered. */
  #asking = false;
  /** The user has tapped. */
  #tapped = false;
  #busy = false;
  #failure: FaultKind | null = null;
  #turn = 0;
  #stopTimer = nothing;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** The reason reported to the other participants. */
  get word(): CaptureWord {
    const health = this.#options.health();
    if (health === "live" || health === "absent") return "live";
    if (this.#asking && this.#visible) return "blocked";
    switch (this.#phase) {
      case "well":
      case "probing":
        return "live";
      case "away":
        return "hidden";
      case "waiting":
      case "rebuilding":
      case "settling":
      case "accepted":
        return health === "ended" ? "lost" : "interrupted";
    }
  }

  /** Whether a tap is needed. */
  get asks(): boolean {
    return this.#visible && (this.#asking || this.#soundBlocked);
  }

  /** Whether a tap is being processed. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Whether the tap is only needed to play the other participants' audio. */
  get soundOnly(): boolean {
    return this.#soundBlocked && !this.#asking;
  }

  /** Why the last tap did not help; `null` if there was none, or it did. */
  get failure(): FaultKind | null {
    return this.#asking && this.#tapped && !this.#busy ? this.#failure : null;
  }

  /** Checks the tracks after a possible change. */
  look(): void {
    const health = this.#options.health();
    if (health === "live" || health === "absent") {
      this.#settle();
    } else if (!this.#visible) {
      this.#enter("away");
    } else if (this.#phase === "well" || this.#phase === "away") {
      if (health === "ended") void this.#rebuild();
      else this.#probe();
    } else if (this.#phase === "probing" && health === "ended") {
      void this.#rebuild();
    }
    this.#options.changed();
  }

  /** Sets whether the page is visible. Becoming visible always triggers another attempt. */
  show(visible: boolean): void {
    if (visible && !this.#visible) this.#settle();
    this.#visible = visible;
    this.look();
  }

  /** Sets whether the browser blocks playback of audio. */
  sound(blocked: boolean): void {
    if (blocked === this.#soundBlocked) return;
    this.#soundBlocked = blocked;
    this.#options.changed();
  }

  /** Processes the user's tap. Calls that require a user gesture must start before this returns. */
  tap(): void {
    const health = this.#options.health();
    if (health !== "muted" && health !== "ended") return;
    this.#asking = this.#tapped = this.#busy = true;
    void this.#rebuild();
  }

  /** The user continues without capturing. */
  accept(): void {
    this.#soundBlocked = false;
    if (this.#asking) this.#enter("accepted");
    this.#asking = this.#tapped = this.#busy = false;
    this.#options.changed();
  }

  /** Stops permanently. */
  close(): void {
    this.#turn += 1;
    this.#stopTimer();
  }

  #probe(): void {
    this.#enter("probing");
    this.#stopTimer = this.#options.clock.after(PROBE, () => void this.#rebuild());
  }

  async #rebuild(): Promise<void> {
    const turn = ++this.#turn;
    this.#enter("rebuilding");
    this.#stopTimer = this.#options.clock.after(PATIENCE, () => this.#ask("dismissed"));
    this.#options.changed();
    const failure = await this.#options.rebuild();
    // A newer attempt takes precedence, or the attempt was abandoned, e.g. because the page was hidden.
    if (turn !== this.#turn || this.#phase !== "rebuilding") return;
    const health = this.#options.health();
    if (health === "live" || health === "absent") {
      this.#settle();
    } else if (failure === null) {
      // On some phones, a new track is silent at first.
      this.#enter("settling");
      this.#stopTimer = this.#options.clock.after(PROBE, () => this.#ask("in_use"));
    } else {
      return this.#ask(failure);
    }
    this.#options.changed();
  }

  #ask(failure: FaultKind): void {
    this.#failure = failure;
    this.#asking = true;
    this.#busy = false;
    this.#enter("waiting");
    // After a denial, permission is not requested again without the user.
    if (failure === "in_use") this.#stopTimer = this.#options.clock.after(AGAIN, () => void this.#rebuild());
    this.#options.changed();
  }

  #settle(): void {
    this.#asking = this.#tapped = this.#busy = false;
    this.#enter("well");
  }

  #enter(phase: Phase): void {
    this.#stopTimer();
    this.#stopTimer = nothing;
    this.#phase = phase;
  }
}
