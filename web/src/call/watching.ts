import type { Layer, UserId, Watched } from "../signalling/messages.ts";
import { nothing, type Clock } from "../time/clock.ts";

/** How long sizes may change before they are told: a window is dragged for a while. */
const SETTLES = 300;

/** Tells the server how large everyone is shown here, so that nobody's picture comes larger than it is looked at. */
export class Watching {
  readonly #most = new Map<UserId, Layer>();
  #told = "";
  #hidden = false;
  #stop = nothing;

  constructor(
    private readonly clock: Clock,
    private readonly send: (pictures: Watched[]) => void,
  ) {}

  /** Somebody is shown so large from now on. */
  look(user: UserId, most: Layer): void {
    this.#most.set(user, most);
    this.#later();
  }

  /** Nobody looks at the page, or somebody does again. Hidden pictures stay warm: they are there at once on return. */
  hide(hidden: boolean): void {
    if (hidden === this.#hidden) return;
    this.#hidden = hidden;
    if (hidden) this.#later();
    else this.#tell();
  }

  /** The server may have forgotten. */
  repeat(): void {
    this.#told = "";
    this.#tell();
  }

  /** Says nothing more. */
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
