import type { TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { html } from "./html.ts";

/** Maximum number of announcements kept. Earlier ones are outdated and dropped. */
const KEPT = 3;

interface Announcement {
  number: number;
  /** The live region: 0 is the page's, others belong to dialogs. */
  region: number;
  text: string;
}

/**
 * Screen reader announcements, each made once.
 *
 * While a modal dialog is open, everything outside it is inert including live regions, so each dialog has its own. Each
 * announcement gets a separate element, so that repeating the same text is announced again.
 */
export class Announcer {
  #said: readonly Announcement[] = [];
  #number = 0;
  /** The last announcement inserted into the page. */
  #shown = 0;
  #region = 0;
  #regions = 0;

  /** Announces a text in the active region. */
  say(text: string): void {
    this.#number += 1;
    const kept = this.#said.filter(({ region, number }) => region === this.#region && number > this.#shown).slice(1 - KEPT);
    this.#said = [...kept, { number: this.#number, region: this.#region, text }];
  }

  /** A dialog was opened, or the last one was closed. Earlier announcements are not repeated. */
  move(to: "page" | "dialog"): void {
    if (to === "page") this.#region = 0;
    else if (this.#region === 0) this.#region = this.#regions += 1;
  }

  /** Removes all announcements. */
  clear(): void {
    this.#said = [];
    this.#region = 0;
  }

  /** Returns the announcements in a region, oldest first. */
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
