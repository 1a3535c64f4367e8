/** What of a person's may be heard and seen. */
export interface Published {
  microphone: boolean;
  camera: boolean;
}

/** What is left when both must agree. */
export function narrower(a: Published, b: Published): Published {
  return { microphone: a.microphone && b.microphone, camera: a.camera && b.camera };
}

/** Whether the two are the same. */
export function same(a: Published, b: Published): boolean {
  return a.microphone === b.microphone && a.camera === b.camera;
}

/** Whether `next` shows something that `now` does not. */
export function widens(now: Published, next: Published): boolean {
  return !same(next, narrower(now, next));
}

/** Sends what is let out; says whether such a message is still unanswered; takes those back. */
export interface PublicationWire {
  send(published: Published): void;
  pending(): boolean;
  forget(): void;
}

/**
 * What this person lets out. Their own click may widen it; a reconnect, a reload or a message of the
 * server never does.
 */
export class Publication {
  #now: Published = { microphone: true, camera: true };

  constructor(private readonly wire: PublicationWire) {}

  /** As far as this page knows. */
  get now(): Published {
    return this.#now;
  }

  /** The person's own choice. */
  choose(change: Partial<Published>): void {
    const next = { ...this.#now, ...change };
    if (same(this.#now, next)) return;
    this.#now = next;
    this.wire.send(next);
  }

  /** A fresh connection: a choice the server has not confirmed holds only where it lets out less. */
  reconnected(server: Published): void {
    this.wire.forget();
    this.#agree(server);
  }

  /** The server said something new. It wins, except over a choice still on its way there. */
  changed(server: Published): void {
    if (!this.wire.pending()) this.#agree(server);
  }

  /** The server did not take a choice. */
  refused(server: Published): void {
    this.#now = narrower(this.#now, server);
  }

  #agree(server: Published): void {
    this.#now = narrower(this.#now, server);
    if (!same(this.#now, server)) this.wire.send(this.#now);
  }
}
