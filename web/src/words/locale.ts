/**
 * The language of the page, which is English, as the reader writes it where theirs is a kind of it: one language, one
 * calendar and one set of digits on a page, whatever the browser's region is.
 */
export function pageLocale(languages: readonly string[] = globalThis.navigator?.languages ?? []): string {
  const own = languages.find((language) => /^en(-[A-Za-z]{2}|-\d{3})?$/u.test(language)) ?? "en";
  return `${own}-u-ca-gregory-nu-latn`;
}
