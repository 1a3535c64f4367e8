/** One of the two people of an appointment, as the API shows them. */
export interface Person {
  userId: string;
  name: string;
  avatarUrl: string | null;
}

/** Who carries the media, and what a page needs to reach it. */
export interface CallDescription {
  backend: string;
  /** Path of the WebSocket that carries the visit's state. */
  signalling: string;
  /** The clinic's time zone (IANA). */
  timeZone?: string;
  /** The clinic's terms, if patients are asked to agree to them. */
  terms?: Terms | null;
  /** Where there is an account at CometChat. */
  cometchat?: CometChatAccess;
}

/** The clinic's terms for video visits. */
export interface Terms {
  /** What an agreement says back. */
  id: string;
  /** BCP 47. */
  language: string;
  text: string;
}

/** What a page needs to hold a call over CometChat. */
export interface CometChatAccess {
  appId: string;
  region: string;
  /** Where its SDKs connect to, if not to the app's own hosts. */
  clientHost: string | null;
  patientUid: string;
  providerUid: string;
  ringSeconds: number;
  /** Path of the document that the SDKs run in. */
  frame: string;
}

/** What `GET /api/appointments/{id}` says. */
export interface Appointment {
  id: string;
  /** RFC 3339, UTC. */
  datetime: string;
  /** Minutes. */
  duration: number;
  type: string;
  reason: string | null;
  status: string;
  provider: Person & { specialty: string | null };
  patient: Person & { age: number | null };
  call: CallDescription;
}

/** Why an answer is not what was asked for. `status` is 0 when the server was not reached. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
  ) {
    super(title);
    this.name = "Problem";
  }

  /** Whether asking again may help without anyone doing anything. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** `fetch`, or a test's double of it. */
export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

/** The calls of the JSON API that the elements make. */
export class Api {
  /**
   * @param base origin of the server, without a slash at its end; empty for the page's own
   * @param user on whose behalf, where several people are signed in in one browser. Grants nothing.
   */
  constructor(
    private readonly base: string,
    private readonly user: string,
    private readonly fetch: Fetch,
  ) {}

  /** The appointment with its people. */
  async appointment(id: string): Promise<Appointment> {
    const { data } = await this.#ask<{ data: Appointment }>(`/api/appointments/${encodeURIComponent(id)}`);
    return data;
  }

  /** Makes a new patient link and gives its address. */
  async invite(id: string): Promise<string> {
    const path = `/api/appointments/${encodeURIComponent(id)}/invites`;
    const { data } = await this.#post<{ data: { url: string } }>(path, {});
    return data.url;
  }

  /** Lets somebody in on another device than the one that used their link, or does not. */
  async admit(id: string, admission: string, admit: boolean): Promise<void> {
    await this.#post(`/api/appointments/${encodeURIComponent(id)}/admissions/${encodeURIComponent(admission)}`, { admit });
  }

  /** A token for CometChat. `fresh`: the last one does not work any more. */
  async callToken(appointmentId: string, fresh: boolean): Promise<string> {
    const { authToken } = await this.#post<{ authToken: string }>("/api/cometchat/user", {
      userId: this.user,
      appointmentId,
      forceRecreate: fresh,
    });
    return authToken;
  }

  async #post<T>(path: string, body: object): Promise<T> {
    return this.#ask<T>(path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json" },
    });
  }

  async #ask<T>(path: string, init: RequestInit = {}): Promise<T> {
    let response: Response;
    try {
      response = await this.fetch(`${this.base}${path}?as=${encodeURIComponent(this.user)}`, {
        ...init,
        credentials: this.base === "" ? "same-origin" : "include",
        cache: "no-store",
        headers: { accept: "application/json, application/problem+json", ...init.headers },
      });
    } catch {
      throw new Problem(0, "The clinic can't be reached.", "Your internet connection may be down.");
    }
    const body = await readJson(response);
    if (response.ok && body["success"] === true) return body as T;
    throw new Problem(response.ok ? 502 : response.status, text(body["title"]), text(body["detail"]));
  }
}

async function readJson(response: Response): Promise<Record<string, unknown>> {
  try {
    const body: unknown = await response.json();
    return typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/**
 * The appointment that a page of the server carries inside the element, as JSON: the same that the
 * API would say. `undefined` if there is none for `id`.
 */
export function carried(element: ParentNode, id: string): Appointment | undefined {
  try {
    const text = element.querySelector('script[type="application/json"]')?.textContent ?? "";
    const appointment = JSON.parse(text) as Appointment;
    return appointment.id === id ? appointment : undefined;
  } catch {
    return undefined;
  }
}

/** Where the visit's WebSocket is. */
export function signallingUrl(base: string, page: string, path: string, user: string): string {
  const url = new URL(path, base === "" ? page : `${base}/`);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.searchParams.set("as", user);
  return url.href;
}
