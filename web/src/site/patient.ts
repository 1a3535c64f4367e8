import { dateOfBirth } from "./times.ts";

/** Dates of birth in a list of patients, which holds plain text alone, as the reader writes them. */
export function localBirths(root: ParentNode): void {
  for (const option of root.querySelectorAll<HTMLOptionElement>("option[data-born]")) {
    const before = option.text.lastIndexOf(", born ");
    const date = new Date(option.dataset["born"] ?? "");
    if (before < 0 || Number.isNaN(date.getTime())) continue;
    option.text = `${option.text.slice(0, before)}, born ${dateOfBirth(date)}`;
  }
}

/** The fields of a new patient show, and are sent, only while no existing patient is chosen. */
export function hideNewPatient(page: Document): void {
  const choice = page.querySelector<HTMLSelectElement>("select[data-patient]");
  const fields = page.querySelector<HTMLFieldSetElement>("fieldset[data-new-patient]");
  if (choice === null || fields === null) return;
  const show = (shown: boolean): void => {
    fields.hidden = !shown;
    fields.disabled = !shown;
  };
  // The server asks about a form that has both: then both are there to be corrected.
  const typed = [...fields.querySelectorAll("input")].some((input) => input.value.trim() !== "");
  show(choice.value === "" || typed);
  choice.addEventListener("change", () => show(choice.value === ""));
}
