import type { TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { html } from "./html.ts";

/** So many that are said at once are said. What was said before gives way: it is not true any more. */
const KEPT = 3;

interface Announcement {
  number: number;
  /** In which region: 0 is that of the page, others are those of dialogs. */
  region: number;
  text: string;
}

/**
 * What a screen reader is told, each once.
 *
 * While a dialog is open modally everything around it is inert, a live region too: each dialog has one of its own. What
 * is said is put into an element of its own, so that the same text said again is news again.
 */
export class Announcer {
  #said: readonly Announcement[] = [];
  #number = 0;
  /** The last one that has been put into the page. */
  #shown = 0;
  #region = 0;
  #regions = 0;

  /** Says something, where it is heard now. */
  say(text: string): void {
    this.#number += 1;
    const kept = this.#said.filter(({ region, number }) => region === this.#region && number > this.#shown).slice(1 - KEPT);
    this.#said = [...kept, { number: this.#number, region: this.#region, text }];
  }

  /** A dialog was opened, or the last one was closed. What was said before is not said again. */
  move(to: "page" | "dialog"): void {
    if (to === "page") this.#region = 0;
    else if (this.#region === 0) this.#region = this.#regions += 1;
  }

  /** Forgets all. */
  clear(): void {
    this.#said = [];
    this.#region = 0;
  }

  /** What one of the regions holds, the oldest first. */
  heard(where: "page" | "dialog"): readonly Announcement[] {
    return this.#said.filter(({ region }) => (where === "page" ? region === 0 : region !== 0 && region === this.#region));
  }

  /** The live region of the page, or of the open dialog. */
  region(of: "page" | "dialog"): TemplateResult {
    this.#shown = this.#number;
    const lines = repeat(this.heard(of), ({ number }) => number, ({ text }) => html`<p>${text}</p>`);
    return html`<div class="vh" role="status" aria-live="polite" aria-atomic="false">${lines}</div>`;
  }
}
