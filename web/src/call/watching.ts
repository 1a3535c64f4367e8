import type { Layer, UserId, Watched } from "../signalling/messages.ts";
import { nothing, type Clock } from "../time/clock.ts";

/** Debounce interval in milliseconds for size changes, e.g. while a window is resized. */
const SETTLES = 300;

/** Tells the server how large each participant is displayed, so that no video is forwarded larger than necessary. */
export class Watching {
  readonly #most = new Map<UserId, Layer>();
  #told = "";
  #hidden = false;
  #stop = nothing;

  constructor(
    private readonly clock: Clock,
    private readonly send: (pictures: Watched[]) => void,
  ) {}

  /** Sets the displayed size of a participant. */
  look(user: UserId, most: Layer): void {
    this.#most.set(user, most);
    this.#later();
  }

  /**
   * Sets whether the page is hidden. While it is hidden, the smallest layer is kept, so that video is available
   * immediately on return.
   */
  hide(hidden: boolean): void {
    if (hidden === this.#hidden) return;
    this.#hidden = hidden;
    if (hidden) this.#later();
    else this.#tell();
  }

  /** The server may have lost the sizes, so they are sent again. */
  repeat(): void {
    this.#told = "";
    this.#tell();
  }

  /** Stops sending sizes. */
  close(): void {
    this.#stop();
  }

  #later(): void {
    this.#stop();
    this.#stop = this.clock.after(SETTLES, () => this.#tell());
  }

  #tell(): void {
    this.#stop();
    const pictures = [...this.#most].map(([user, most]): Watched => ({ user, most: this.#hidden ? "q" : most }));
    const words = JSON.stringify(pictures);
    if (pictures.length < 2 || words === this.#told) return;
    this.#told = words;
    this.send(pictures);
  }
}
