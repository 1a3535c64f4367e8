/** What the provider is told of a person who came on another device; `ago` is how long ago. */
export function deviceWords(ago: string): string {
  return `Joined from a different device ${ago}. Check that it is the right person.`;
}
