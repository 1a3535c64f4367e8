/** The window around the element: its title, its screen, and its coming back to life. */
export class Presence {
  readonly #title = document.title;
  #awake = false;
  #lock: WakeLockSentinel | null = null;

  /**
   * @param back called when the network or the page is back
   * @param seen called when the page is looked at, and when it no longer is
   */
  constructor(
    private readonly back: () => void,
    private readonly seen: (visible: boolean) => void,
  ) {
    addEventListener("online", this.#onOnline);
    addEventListener("pageshow", this.#onVisible);
    document.addEventListener("visibilitychange", this.#onVisible);
    // Of the page life cycle: a phone freezes pages in the background, and says so.
    document.addEventListener("freeze", this.#onFreeze);
    document.addEventListener("resume", this.#onVisible);
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
    removeEventListener("pageshow", this.#onVisible);
    document.removeEventListener("visibilitychange", this.#onVisible);
    document.removeEventListener("freeze", this.#onFreeze);
    document.removeEventListener("resume", this.#onVisible);
    document.title = this.#title;
    this.keepAwake(false);
  }

  readonly #onOnline = (): void => this.back();

  readonly #onFreeze = (): void => this.seen(false);

  readonly #onVisible = (): void => {
    const visible = document.visibilityState === "visible";
    this.seen(visible);
    if (!visible) return;
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
