/**
 * The locale for formatting. The page is in English, so the reader's variant of English is used if they have one;
 * otherwise "en". This keeps one language, calendar and set of digits on a page, whatever the browser's region.
 */
export function pageLocale(languages: readonly string[] = globalThis.navigator?.languages ?? []): string {
  const own = languages.find((language) => /^en(-[A-Za-z]{2}|-\d{3})?$/u.test(language)) ?? "en";
  return `${own}-u-ca-gregory-nu-latn`;
}
