import { nothing, type Clock } from "../time/clock.ts";

const EVERY = 80;
/** Level above that of a quiet room. */
const HEARD = 0.03;
/** Minimum number of samples above it, to distinguish a voice from a click. */
const HEARD_FOR = 4;

/** Measures a microphone's level with an analyser node, which needs no worklet script. */
export class LevelMeter {
  #context: AudioContext | null = null;
  #source: MediaStreamAudioSourceNode | null = null;
  #stop = nothing;
  #loud = 0;

  /**
   * @param level called with 0…1, several times a second
   * @param heard called once, when sound was picked up
   */
  constructor(
    private readonly clock: Clock,
    private readonly level: (level: number) => void,
    private readonly heard: () => void,
  ) {}

  /** Measures another microphone, or none. */
  listen(track: MediaStreamTrack | null): void {
    this.#stop();
    this.#source?.disconnect();
    this.#source = null;
    if (track === null || globalThis.AudioContext === undefined) return;
    try {
      this.#context ??= new AudioContext();
      const analyser = this.#context.createAnalyser();
      analyser.fftSize = 1024;
      this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
      this.#source.connect(analyser);
      this.#sample(analyser, new Float32Array(analyser.fftSize));
    } catch {
      // The visit works without a level meter.
    }
  }

  /** Resumes the audio context in browsers that require a user gesture. */
  wake(): void {
    // "interrupted" is specific to Safari, e.g. during a phone call.
    const state: string | undefined = this.#context?.state;
    if (state === "suspended" || state === "interrupted") void this.#context?.resume().catch(nothing);
  }

  /** Stops permanently. */
  close(): void {
    this.listen(null);
    void this.#context?.close().catch(nothing);
    this.#context = null;
  }

  #sample(analyser: AnalyserNode, samples: Float32Array<ArrayBuffer>): void {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    const rms = Math.sqrt(power);
    this.#loud = rms > HEARD ? this.#loud + 1 : 0;
    if (this.#loud === HEARD_FOR) this.heard();
    // Logarithmic scale: −60 dB is 0, −10 dB is 1.
    this.level(Math.min(1, Math.max(0, (20 * Math.log10(rms + 1e-6) + 60) / 50)));
    this.#stop = this.clock.after(EVERY, () => this.#sample(analyser, samples));
  }
}
