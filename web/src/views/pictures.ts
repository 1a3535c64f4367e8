import { isThere } from "../call/company.ts";
import type { Layer, ParticipantView, UserId } from "../signalling/messages.ts";
import { RemotePicture } from "./remote.ts";

/** The videos of companions, with one media element per participant for the whole visit. */
export class CompanyPictures {
  readonly #pictures = new Map<UserId, RemotePicture>();
  readonly #seen = new Set<UserId>();
  readonly #blocked = new Set<UserId>();

  /**
   * @param changed {@link shows} or {@link blocked} may have changed
   * @param looked a participant's displayed size has changed
   */
  constructor(
    private readonly changed: () => void,
    private readonly looked: (user: UserId, most: Layer) => void,
  ) {}

  /** Whether the browser blocks a participant's audio until a tap. */
  get blocked(): boolean {
    return this.#blocked.size > 0;
  }

  /** Whether a participant's video is arriving. */
  shows(user: UserId): boolean {
    return this.#seen.has(user);
  }

  /** The media element of a participant, if there is one. */
  element(user: UserId): HTMLVideoElement | null {
    return this.#pictures.get(user)?.element ?? null;
  }

  /** Plays those who are present while `on`. */
  show(people: readonly ParticipantView[], streams: ReadonlyMap<UserId, MediaStream>, on: boolean, speaker: string): void {
    for (const person of people) {
      const { user, name } = person;
      const plays = on && isThere(person) && streams.has(user);
      if (!plays) this.#blocked.delete(user);
      if (plays || this.#pictures.has(user)) this.#of(person).show(streams.get(user) ?? null, plays, speaker, name);
    }
  }

  /** Plays all of them, e.g. after a tap. */
  play(): void {
    for (const picture of this.#pictures.values()) if (!picture.element.hidden) void picture.play();
  }

  /** Stops. */
  close(): void {
    for (const picture of this.#pictures.values()) picture.close();
    for (const all of [this.#pictures, this.#seen, this.#blocked]) all.clear();
  }

  #of({ user }: ParticipantView): RemotePicture {
    const known = this.#pictures.get(user);
    if (known !== undefined) return known;
    const picture = new RemotePicture(({ picture, soundBlocked, most }) => {
      if (most !== undefined) this.looked(user, most);
      const note = (set: Set<UserId>, is: boolean | undefined): boolean =>
        is !== undefined && is !== set.has(user) && (is ? set.add(user).size > 0 : set.delete(user));
      const seen = note(this.#seen, picture);
      const blocked = note(this.#blocked, soundBlocked);
      if (seen || blocked) this.changed();
    }, false);
    this.#pictures.set(user, picture);
    return picture;
  }
}
