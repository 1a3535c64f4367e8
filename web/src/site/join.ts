/** Loads a module by its address. */
export type Load = (address: string) => Promise<unknown>;

/**
 * Offers "Join visit" once the script that holds the call has run in this browser: a link is never used up by a
 * browser that could not go on. It comes from the cache on the next page. What is shown where it does not come needs no
 * script: the style sheet shows it after 10 s.
 */
export async function offerJoin(page: ParentNode, load: Load = (address) => import(address)): Promise<void> {
  const form = page.querySelector<HTMLElement>("form[data-join]");
  const address = form?.dataset["script"];
  if (form === null || address === undefined) return;
  try {
    await load(address);
  } catch {
    page.querySelector("[data-join-wait]")?.remove();
    page.querySelector("[data-join-slow]")?.classList.remove("slow");
    return;
  }
  form.hidden = false;
  for (const rest of page.querySelectorAll("[data-join-wait], [data-join-slow]")) rest.remove();
}
