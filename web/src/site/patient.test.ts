import assert from "node:assert/strict";
import { test } from "node:test";

import { hideNewPatient, localBirths } from "./patient.ts";

function form(chosen: string, name: string): { fields: { hidden: boolean; disabled: boolean }; choose: (user: string) => void } {
  let changed = (): void => {};
  const choice = { value: chosen, addEventListener: (_: string, run: () => void) => (changed = run) };
  const fields = { hidden: false, disabled: false, querySelectorAll: () => [{ value: name }, { value: "" }] };
  const page = { querySelector: (selector: string) => (selector.startsWith("select") ? choice : fields) };
  hideNewPatient(page as unknown as Document);
  return {
    fields,
    choose: (user) => {
      choice.value = user;
      changed();
    },
  };
}

test("the fields of a new patient are hidden, and not sent, while an existing patient is chosen", () => {
  const { fields, choose } = form("", "");
  assert.deepEqual([fields.hidden, fields.disabled], [false, false]);
  choose("ada");
  assert.deepEqual([fields.hidden, fields.disabled], [true, true]);
  choose("");
  assert.deepEqual([fields.hidden, fields.disabled], [false, false]);
});

test("a date of birth in a list of patients is in the reader's own words", () => {
  const option = { text: "Ada, born to code, born 10 December 1985", dataset: { born: "1985-12-10" } };
  localBirths({ querySelectorAll: () => [option] } as unknown as ParentNode);
  assert.match(option.text, /^Ada, born to code, born (December 10,|10 December) 1985$/u);
});

test("a form that the server asks about keeps both, so that either can be corrected", () => {
  assert.equal(form("ada", "Zofia").fields.hidden, false);
  assert.equal(form("ada", " ").fields.hidden, true);
});
