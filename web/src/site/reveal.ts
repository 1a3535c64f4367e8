/** Buttons that show what is typed into a password field, and hide it again before it is sent. */
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
    // A browser offers to keep what is in a field for passwords only.
    field.form?.addEventListener("submit", () => show(false));
  }
}
