/** A link that was just made: one press copies it, and where there is no clipboard it is selected for the keyboard. */
export function offerToCopy(page: Document): void {
  for (const place of page.querySelectorAll<HTMLElement>("[data-copyable]")) {
    const field = place.querySelector<HTMLInputElement>("[data-copied-text]");
    const copy = place.querySelector<HTMLElement>("[data-copy-link]");
    const said = place.querySelector<HTMLElement>("[data-copied]");
    if (field === null || copy === null || said === null) continue;
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(field.value);
        said.textContent = "Copied.";
      } catch {
        field.focus();
        field.select();
        said.textContent = "It is marked: copy it with your keyboard.";
      }
    });
    place.querySelector<HTMLElement>("[data-focus]")?.focus();
  }
}
