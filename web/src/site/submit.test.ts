import assert from "node:assert/strict";
import { test } from "node:test";

import { sendOnce } from "./submit.ts";

class Page {
  #listener: (event: object) => void = () => {};
  #back: () => void = () => {};
  readonly later: Array<{ action: () => void; ms: number }> = [];
  readonly defaultView = { addEventListener: (_: string, listener: () => void) => (this.#back = listener) };

  addEventListener(_: string, listener: (event: object) => void): void {
    this.#listener = listener;
  }

  /** Whether the form is sent. */
  press(form: object, defaultPrevented = false): boolean {
    let prevented = defaultPrevented;
    this.#listener({ target: form, defaultPrevented, preventDefault: () => (prevented = true) });
    return !prevented;
  }

  back(): void {
    this.#back();
  }

  /** Advances time to `ms`. */
  pass(ms: number): void {
    const due = this.later.filter((one) => one.ms <= ms);
    for (const { action } of due) action();
  }
}

function aForm(): { button: { disabled: boolean }; querySelectorAll: () => object[] } {
  const button = { disabled: false };
  return { button, querySelectorAll: () => [button] };
}

function begin(): Page {
  const page = new Page();
  sendOnce(page as unknown as Document, (action, ms) => page.later.push({ action, ms }));
  return page;
}

test("a form is sent once, and its buttons are disabled while its answer is on the way", () => {
  const page = begin();
  const [form, other] = [aForm(), aForm()];
  assert.equal(page.press(form), true);
  assert.equal(form.button.disabled, false, "what was pressed is sent along");
  assert.equal(page.press(form), false);
  page.pass(0);
  assert.equal(form.button.disabled, true);
  assert.equal(page.press(form), false);
  assert.equal(page.press(other), true);
});

test("a form can be sent again when no answer came, or on the way back", () => {
  const page = begin();
  const form = aForm();
  page.press(form);
  page.pass(10_000);
  assert.equal(form.button.disabled, false);
  assert.equal(page.press(form), true);
  page.pass(0);
  page.back();
  assert.equal(form.button.disabled, false);
  assert.equal(page.press(form), true);
});

test("a form that a script sends itself is left to it", () => {
  const page = begin();
  const form = aForm();
  assert.equal(page.press(form, true), false);
  page.pass(0);
  assert.equal(form.button.disabled, false);
});
