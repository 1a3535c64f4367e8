/** The window around the element: its title, its screen, and its coming back to life. */
export class Presence {
  readonly #title = document.title;
  #awake = false;
  #lock: WakeLockSentinel | null = null;

  /** @param back called when the network or the page is back */
  constructor(private readonly back: () => void) {
    addEventListener("online", this.#onOnline);
    addEventListener("pageshow", this.#onOnline);
    document.addEventListener("visibilitychange", this.#onVisible);
  }

  /** Names the window. */
  title(text: string): void {
    if (document.title !== text) document.title = text;
  }

  /** Keeps the screen on while there is something to wait for or to see. */
  keepAwake(awake: boolean): void {
    if (awake === this.#awake) return;
    this.#awake = awake;
    if (awake) void this.#request();
    else void this.#release();
  }

  /** Puts all back. */
  close(): void {
    removeEventListener("online", this.#onOnline);
    removeEventListener("pageshow", this.#onOnline);
    document.removeEventListener("visibilitychange", this.#onVisible);
    document.title = this.#title;
    this.keepAwake(false);
  }

  readonly #onOnline = (): void => this.back();

  readonly #onVisible = (): void => {
    if (document.visibilityState !== "visible") return;
    this.back();
    // A browser lets go of the lock whenever the page is hidden.
    if (this.#awake) void this.#request();
  };

  async #request(): Promise<void> {
    try {
      this.#lock = (await navigator.wakeLock?.request("screen")) ?? null;
      if (!this.#awake) await this.#release();
    } catch {
      // Low battery, or an old browser: the screen may sleep, and the place is kept.
    }
  }

  async #release(): Promise<void> {
    const lock = this.#lock;
    this.#lock = null;
    await lock?.release().catch(() => {});
  }
}
