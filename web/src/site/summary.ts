/** Moves focus to the error summary of a form. */
export function focusSummary(root: ParentNode): void {
  const summary = root.querySelector<HTMLElement>(".summary");
  if (summary === null) return;
  if (!summary.hasAttribute("tabindex")) summary.tabIndex = -1;
  summary.focus();
}
