/** Tells the provider that a participant joined from another device than before. `ago`: "just now" or "2 minutes ago". */
export function deviceWords(name: string, ago: string): string {
  return `${name} joined from a different device ${ago}. Check that it is the right person.`;
}
