import { layerFor } from "../peer/layers.ts";
import type { Layer } from "../signalling/messages.ts";
import { nothing, systemClock } from "../time/clock.ts";

/** Maximum share of a video to crop, so that the patient's hands or the provider's face stay visible. */
const MOST_CROPPED = 0.34;

/** A video without new frames in this many checks, at one per second, counts as missing. */
const STILL = 4;

/** A change in a participant's video. */
export interface RemoteChange {
  picture?: boolean;
  soundBlocked?: boolean;
  /** The largest layer useful at its displayed size. */
  most?: Layer;
}

/**
 * The media element of one participant for the whole visit. It is kept, because browsers that allowed playback once
 * allow it again.
 */
export class RemotePicture {
  readonly element: HTMLVideoElement;
  readonly #resize: ResizeObserver;
  #on = false;
  #frames = 0;
  #still = 0;
  #stopLooking = nothing;

  /**
   * @param crops whether wide video may be cropped on an upright phone to show a face: for the patient, who sees head
   * and shoulders, but not for the provider, who needs the whole picture
   */
  constructor(
    private readonly changed: (change: RemoteChange) => void,
    private readonly crops: boolean,
  ) {
    const video = document.createElement("video");
    video.className = "remote";
    video.autoplay = true;
    video.playsInline = true;
    video.hidden = true;
    video.addEventListener("resize", this.#fit);
    video.addEventListener("playing", this.#played);
    video.addEventListener("pause", this.#paused);
    this.element = video;
    this.#resize = new ResizeObserver(this.#fit);
    this.#resize.observe(video);
  }

  /** Plays the stream while `on`. */
  show(stream: MediaStream | null, on: boolean, speaker: string, name: string): void {
    const { element } = this;
    if (element.getAttribute("aria-label") !== name) element.setAttribute("aria-label", name);
    const fresh = element.srcObject !== stream;
    if (fresh) element.srcObject = stream;
    element.hidden = !on;
    if (element.sinkId !== undefined && element.sinkId !== speaker) {
      void element.setSinkId(speaker).catch(() => {});
    }
    if (on && (fresh || !this.#on)) void this.play();
    if (on && !this.#on) this.#look();
    if (!on) this.#stopLooking();
    this.#on = on;
  }

  /** Starts playback. If the browser requires a tap first, the page shows a button for it. */
  async play(): Promise<void> {
    if (this.element.srcObject === null) return;
    try {
      await this.element.play();
      this.changed({ soundBlocked: false });
    } catch (error) {
      if (error instanceof DOMException && error.name === "NotAllowedError") this.changed({ soundBlocked: true });
    }
  }

  /** Stops. */
  close(): void {
    this.#on = false;
    this.#stopLooking();
    this.#resize.disconnect();
    this.element.srcObject = null;
    this.element.remove();
  }

  readonly #played = (): void => {
    this.changed({ soundBlocked: false });
    this.#fit();
  };

  /** Replaces frozen video by text. */
  #look(): void {
    this.#stopLooking();
    this.#stopLooking = systemClock.after(1_000, () => {
      const frames = this.element.getVideoPlaybackQuality?.().totalVideoFrames ?? 0;
      this.#still = still(this.#still, this.#frames, frames, document.visibilityState === "visible");
      this.#frames = frames;
      if (frames > 0) this.changed({ picture: this.#there && this.#still < STILL });
      this.#look();
    });
  }

  get #there(): boolean {
    return this.element.videoWidth > 2;
  }

  /** Playback is only paused externally, e.g. by a phone call or unplugged headphones. */
  readonly #paused = (): void => {
    if (this.#on && document.visibilityState === "visible") void this.play();
  };

  readonly #fit = (): void => {
    const { videoWidth, videoHeight } = this.element;
    const { clientWidth, clientHeight } = this.element.parentElement ?? this.element;
    const { clientWidth: width, clientHeight: height } = this.element;
    if (width > 0) this.changed({ most: layerFor(width, height, devicePixelRatio) });
    this.changed({ picture: this.#there && this.#still < STILL });
    if (videoWidth === 0 || clientHeight === 0) return;
    const picture = videoWidth / videoHeight;
    const frame = clientWidth / clientHeight;
    const cropped = 1 - Math.min(picture / frame, frame / picture);
    const whole = cropped > MOST_CROPPED;
    const square = whole && this.crops && frame < 1 && picture > 1;
    this.element.classList.toggle("remote--whole", whole && !square);
    this.element.classList.toggle("remote--square", square);
  };
}

/**
 * For how many looks in a row a picture has stood still. A browser that counts no frames of a live stream (0 throughout)
 * says nothing about it, and a hidden page draws none.
 */
export function still(before: number, counted: number, frames: number, visible: boolean): number {
  return frames > 0 && frames === counted && visible ? before + 1 : 0;
}
