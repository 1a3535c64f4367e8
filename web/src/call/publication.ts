/** Which of a user's media may be sent. */
export interface Published {
  microphone: boolean;
  camera: boolean;
}

/** Returns what both allow. */
export function narrower(a: Published, b: Published): Published {
  return { microphone: a.microphone && b.microphone, camera: a.camera && b.camera };
}

/** Whether both are equal. */
export function same(a: Published, b: Published): boolean {
  return a.microphone === b.microphone && a.camera === b.camera;
}

/** Whether `next` allows something that `now` does not. */
export function widens(now: Published, next: Published): boolean {
  return !same(next, narrower(now, next));
}

/** Sends the choice; returns whether one is unanswered; discards unanswered ones. */
export interface PublicationWire {
  send(published: Published): void;
  pending(): boolean;
  forget(): void;
}

/**
 * The media this user sends. Only the user's own click can turn something on; a reconnect, a reload or a server message
 * never does.
 */
export class Publication {
  #now: Published = { microphone: true, camera: true };

  constructor(private readonly wire: PublicationWire) {}

  /** The current state as far as this page knows. */
  get now(): Published {
    return this.#now;
  }

  /** Applies the user's choice. */
  choose(change: Partial<Published>): void {
    const next = { ...this.#now, ...change };
    if (same(this.#now, next)) return;
    this.#now = next;
    this.wire.send(next);
  }

  /** After a reconnect, an unconfirmed choice is kept only where it sends less. */
  reconnected(server: Published): void {
    this.wire.forget();
    this.#agree(server);
  }

  /** Applies the server's state, which takes precedence except over a choice that has not been answered. */
  changed(server: Published): void {
    if (!this.wire.pending()) this.#agree(server);
  }

  /** The server refused a choice. */
  refused(server: Published): void {
    this.#now = narrower(this.#now, server);
  }

  #agree(server: Published): void {
    this.#now = narrower(this.#now, server);
    if (!same(this.#now, server)) this.wire.send(this.#now);
  }
}
