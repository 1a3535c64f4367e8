import { nothing, type Clock } from "../time/clock.ts";
import type { Capture as Word } from "../signalling/messages.ts";
import type { FaultKind } from "./fault.ts";

/**
 * Whether this person is being captured, and if not, why: what the other one is told.
 *
 * - `hidden`: the page is in the background, and the phone has stopped capturing for it
 * - `interrupted`: the system took camera or microphone away, as for a phone call
 * - `lost`: a device is gone, and is being replaced
 * - `blocked`: it waits for a tap of the person's
 */
export type CaptureWord = Word;

/** How the tracks do that the person lets out: the worst of them. `absent` if there are none. */
export type Health = "absent" | "live" | "muted" | "ended";

/** A track that the system muted may come back by itself within this time, and mostly does. */
const PROBE = 1_000;
/** A browser that answers nothing for so long waits for the person. */
const PATIENCE = 5_000;
/** A device that something else has is tried again so often: the call may be over. */
const AGAIN = 4_000;

/** What recovery works with. */
export interface RecoveryOptions {
  clock: Clock;
  health: () => Health;
  /** Asks for the devices anew, in the same seat. Gives why not; `null` if it was done. */
  rebuild: () => Promise<FaultKind | null>;
  /** {@link Recovery.word} or {@link Recovery.asks} may be different. */
  changed: () => void;
}

type Phase = "well" | "away" | "probing" | "rebuilding" | "settling" | "waiting" | "accepted";

/**
 * Brings capture back after a phone took it: by itself where the browser allows that, and with one
 * tap where it does not. Nothing is asked while the page is not looked at.
 */
export class Recovery {
  readonly #options: RecoveryOptions;
  #phase: Phase = "well";
  #visible = true;
  #soundBlocked = false;
  /** The person is asked for a tap, until it is well again. */
  #asking = false;
  /** They tapped. */
  #tapped = false;
  #busy = false;
  #failure: FaultKind | null = null;
  #turn = 0;
  #stopTimer = nothing;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** What the other person is told. */
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

  /** Whether a tap is being answered. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Whether it is only the other's sound that waits for the tap. */
  get soundOnly(): boolean {
    return this.#soundBlocked && !this.#asking;
  }

  /** Why the last tap did not help; `null` if there was none, or it did. */
  get failure(): FaultKind | null {
    return this.#asking && this.#tapped && !this.#busy ? this.#failure : null;
  }

  /** Something may have happened to a track. */
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

  /** The page is looked at again, or no longer. Coming back is a reason to try again, whatever was before. */
  show(visible: boolean): void {
    if (visible && !this.#visible) this.#settle();
    this.#visible = visible;
    this.look();
  }

  /** The browser holds the other person's sound back, or plays it. */
  sound(blocked: boolean): void {
    if (blocked === this.#soundBlocked) return;
    this.#soundBlocked = blocked;
    this.#options.changed();
  }

  /** The person tapped. What needs a gesture has to be begun before this returns. */
  tap(): void {
    const health = this.#options.health();
    if (health !== "muted" && health !== "ended") return;
    this.#asking = this.#tapped = this.#busy = true;
    void this.#rebuild();
  }

  /** The person goes on without. */
  accept(): void {
    this.#soundBlocked = false;
    if (this.#asking) this.#enter("accepted");
    this.#asking = this.#tapped = this.#busy = false;
    this.#options.changed();
  }

  /** Stops for good. */
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
    // A newer attempt decides; or it was decided meanwhile, as by a page that is not looked at any more.
    if (turn !== this.#turn || this.#phase !== "rebuilding") return;
    const health = this.#options.health();
    if (health === "live" || health === "absent") {
      this.#settle();
    } else if (failure === null) {
      // Some phones hand out a track that is silent for its first moments.
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
    // A "no" is not asked again without the person.
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
