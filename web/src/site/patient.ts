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
