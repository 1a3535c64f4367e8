/** The window around the element: title, screen wake lock, and page lifecycle. */
export class Presence {
  readonly #title = document.title;
  #awake = false;
  #lock: WakeLockSentinel | null = null;

  /**
   * @param back called when the network is available or the page visible again
   * @param seen called when the page becomes visible or hidden
   */
  constructor(
    private readonly back: () => void,
    private readonly seen: (visible: boolean) => void,
  ) {
    addEventListener("online", this.#onOnline);
    addEventListener("pageshow", this.#onVisible);
    document.addEventListener("visibilitychange", this.#onVisible);
    // Page Lifecycle API: phones freeze background pages and fire these events.
    document.addEventListener("freeze", this.#onFreeze);
    document.addEventListener("resume", this.#onVisible);
  }

  /** Sets the window's title. */
  title(text: string): void {
    if (document.title !== text) document.title = text;
  }

  /** Keeps the screen on while the user waits or watches. */
  keepAwake(awake: boolean): void {
    if (awake === this.#awake) return;
    this.#awake = awake;
    if (awake) void this.#request();
    else void this.#release();
  }

  /** Restores everything. */
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
    // Browsers release the lock whenever the page is hidden.
    if (this.#awake) void this.#request();
  };

  async #request(): Promise<void> {
    try {
      this.#lock = (await navigator.wakeLock?.request("screen")) ?? null;
      if (!this.#awake) await this.#release();
    } catch {
      // With a low battery or in an old browser, the screen may turn off; the seat is held.
    }
  }

  async #release(): Promise<void> {
    const lock = this.#lock;
    this.#lock = null;
    await lock?.release().catch(() => {});
  }
}
