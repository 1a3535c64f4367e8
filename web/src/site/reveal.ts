/** Activates buttons that show a password field's text, and hides it again before the form is sent. */
export function offerReveal(page: Document): void {
  for (const button of page.querySelectorAll<HTMLButtonElement>("button[data-reveal]")) {
    const field = page.getElementById(button.dataset["reveal"] ?? "");
    if (!(field instanceof HTMLInputElement)) continue;
    const show = (shown: boolean): void => {
      field.type = shown ? "text" : "password";
      button.textContent = shown ? "Hide password" : "Show password";
    };
    button.hidden = false;
    button.addEventListener("click", () => show(field.type === "password"));
    // Browsers offer to save a password only from a password field.
    field.form?.addEventListener("submit", () => show(false));
  }
}
