import { html as plain, noChange, nothing, type TemplateResult } from "lit";
import { Directive, directive, type ChildPart, type DirectiveResult } from "lit/directive.js";

/**
 * Renders changing text into a new text node each time.
 *
 * Browser translation replaces text nodes by elements. Lit would continue to update its original node, which is no
 * longer in the page, so that a translated "Mute" button would never change. A new node replaces whatever is there, and
 * is translated again.
 */
class FreshText extends Directive {
  #shown: string | null = null;

  override render(text: string): unknown {
    return text;
  }

  override update(_: ChildPart, [text]: [string]): unknown {
    if (text === this.#shown) return noChange;
    this.#shown = text;
    return text === "" ? nothing : document.createTextNode(text);
  }
}

const freshText = directive(FreshText);

/** Which values of a template are children rather than parts of attributes. */
const children = new WeakMap<TemplateStringsArray, readonly boolean[]>();

function childrenOf(strings: TemplateStringsArray): readonly boolean[] {
  let known = children.get(strings);
  if (known === undefined) {
    let inTag = false;
    known = strings.slice(0, -1).map((text) => {
      const [opens, closes] = [text.lastIndexOf("<"), text.lastIndexOf(">")];
      if (opens !== closes) inTag = opens > closes;
      return !inTag;
    });
    children.set(strings, known);
  }
  return known;
}

/** Lit's `html` with text that works with browser translation. */
export function html(strings: TemplateStringsArray, ...values: unknown[]): TemplateResult {
  const isChild = childrenOf(strings);
  const kept = values.map((value, at): unknown => {
    const isText = typeof value === "string" || typeof value === "number";
    return isChild[at] === true && isText ? (freshText(String(value)) as DirectiveResult) : value;
  });
  return plain(strings, ...kept);
}
