/** The server's WebAuthn options, with bytes encoded as base64url. */
type Described = { readonly id: string; readonly type: PublicKeyCredentialType; readonly transports?: AuthenticatorTransport[] };
type Creation = Omit<PublicKeyCredentialCreationOptions, "challenge" | "user" | "excludeCredentials"> & {
  readonly challenge: string;
  readonly user: { readonly id: string; readonly name: string; readonly displayName: string };
  readonly excludeCredentials?: readonly Described[];
};
type Request = Omit<PublicKeyCredentialRequestOptions, "challenge" | "allowCredentials"> & { readonly challenge: string };

/** Shows and activates the passkey controls if the browser supports passkeys. */
export function offerPasskeys(page: Document): void {
  if (globalThis.PublicKeyCredential === undefined || !isSecureContext) return;
  for (const element of page.querySelectorAll<HTMLElement>("[data-passkey]")) element.hidden = false;
  for (const element of page.querySelectorAll<HTMLElement>("[data-passkey-none]")) element.hidden = true;
  const button = page.querySelector<HTMLButtonElement>("button[data-passkey-sign-in]");
  button?.addEventListener("click", () => void attempt(page, button, "sign-in", () => signIn(button.dataset["next"] ?? "/")));
  const form = page.querySelector<HTMLFormElement>("form[data-passkey-add]");
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = new FormData(form);
    const submit = form.querySelector("button");
    const text = (name: string): string => String(fields.get(name) ?? "");
    if (submit !== null) void attempt(form, submit, "add", () => add(text("name"), text("current")));
  });
}

/** Runs an action and navigates to its result, or displays why it failed. */
async function attempt(root: ParentNode, button: HTMLButtonElement, what: Action, action: () => Promise<string>): Promise<void> {
  const said = root.querySelector("[data-passkey-fault]");
  if (said !== null) said.textContent = "";
  button.disabled = true;
  try {
    location.assign(await action());
  } catch (error) {
    if (said !== null) said.textContent = sentence(error, what);
    button.disabled = false;
    button.focus();
  }
}

async function signIn(next: string): Promise<string> {
  const { publicKey } = (await post("/sign-in/passkey/options", {})) as { publicKey: Request };
  const options = { ...publicKey, challenge: toBytes(publicKey.challenge) };
  const credential = await navigator.credentials.get({ publicKey: options as PublicKeyCredentialRequestOptions });
  const { id, rawId, type, response } = credential as PublicKeyCredential & { response: AuthenticatorAssertionResponse };
  return follow(
    await post("/sign-in/passkey", {
      next,
      credential: {
        id,
        rawId: toText(rawId),
        type,
        response: {
          authenticatorData: toText(response.authenticatorData),
          clientDataJSON: toText(response.clientDataJSON),
          signature: toText(response.signature),
          userHandle: response.userHandle === null ? null : toText(response.userHandle),
        },
      },
    }),
  );
}

async function add(name: string, current: string): Promise<string> {
  const { publicKey } = (await post("/account/passkeys/options", { current })) as { publicKey: Creation };
  const options = {
    ...publicKey,
    challenge: toBytes(publicKey.challenge),
    user: { ...publicKey.user, id: toBytes(publicKey.user.id) },
    excludeCredentials: (publicKey.excludeCredentials ?? []).map((one) => ({ ...one, id: toBytes(one.id) })),
  };
  const credential = await navigator.credentials.create({ publicKey: options as PublicKeyCredentialCreationOptions });
  const { id, rawId, type, response } = credential as PublicKeyCredential & { response: AuthenticatorAttestationResponse };
  return follow(
    await post("/account/passkeys", {
      name,
      credential: {
        id,
        rawId: toText(rawId),
        type,
        response: { attestationObject: toText(response.attestationObject), clientDataJSON: toText(response.clientDataJSON) },
      },
    }),
  );
}

/** A user-readable error from the server. */
class Refused extends Error {}

async function post(path: string, body: object): Promise<unknown> {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    credentials: "same-origin",
  });
  const said = (await response.json()) as { title?: string; detail?: string };
  if (!response.ok) throw new Refused(`${said.title ?? "That did not work"}. ${said.detail ?? "Try again."}`);
  return said;
}

function follow(answer: unknown): string {
  const { next } = answer as { next?: unknown };
  return typeof next === "string" ? next : "/";
}

/** An operation with a passkey. */
type Action = "sign-in" | "add";

/** Returns a message for an error: what happened and what to do. */
export function sentence(error: unknown, action: Action): string {
  if (error instanceof Refused) return error.message;
  const name = error instanceof Error ? error.name : "";
  switch (name) {
    case "InvalidStateError":
      return "This device has a passkey for you already.";
    case "AbortError":
      return "No passkey was used. Try again.";
    // Browsers reveal no more about a cancelled prompt, a wrong PIN, or an unsuitable key.
    case "NotAllowedError":
      return action === "add"
        ? "No passkey was made. Try again. A security key needs a PIN, and free space for the passkey. Older security keys (U2F) can't hold passkeys."
        : "No passkey was used. Try again, or sign in another way. If you use a security key, check its PIN.";
    case "ConstraintError":
    case "NotSupportedError":
      return action === "add"
        ? "This device can't hold a passkey. Use another device, or a security key that has a PIN."
        : "This device can't use a passkey here. Sign in another way.";
    case "SecurityError":
      return "Passkeys don't work at this address. Open the clinic's own address, or sign in another way.";
    case "NotReadableError":
    case "UnknownError":
    case "OperationError":
      return "The device or security key didn't answer. Take it out, put it in again, and try once more.";
    case "TypeError":
      return "That didn't work. Check your connection and try again.";
    default:
      return "That didn't work. Try again, or sign in another way.";
  }
}

/** RFC 4648, section 5, without padding. */
export function toText(bytes: ArrayBuffer): string {
  const plain = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return plain.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The inverse. */
export function toBytes(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}
