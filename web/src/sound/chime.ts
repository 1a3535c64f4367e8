const NOTES: readonly [frequency: number, at: number][] = [
  [659.25, 0],
  [880, 0.16],
];

/** Plays two short soft notes. Silent if the browser requires a user gesture first. */
export function chime(): void {
  try {
    const context = new AudioContext();
    const begin = context.currentTime + 0.02;
    for (const [frequency, at] of NOTES) {
      const tone = context.createOscillator();
      const gain = context.createGain();
      tone.frequency.value = frequency;
      gain.gain.setValueAtTime(0, begin + at);
      gain.gain.linearRampToValueAtTime(0.12, begin + at + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.0001, begin + at + 0.35);
      tone.connect(gain).connect(context.destination);
      tone.start(begin + at);
      tone.stop(begin + at + 0.4);
    }
    setTimeout(() => void context.close(), 1_200);
  } catch {
    // Without audio, the text and the title give the same information.
  }
}
