import type { Command, CommandId } from "./messages.ts";

/** Commands that only the latest of matters: each says everything about its subject. */
const SUPERSEDED: ReadonlySet<Command["name"]> = new Set(["set_media", "report_check", "report_capture", "set_consent", "enter"]);

/** Commands that were given and not yet answered, oldest first. */
export class CommandQueue {
  #waiting = new Map<CommandId, Command>();
  #next = 1;

  /** @param prefix makes this page's ids unlike those of every other page */
  constructor(private readonly prefix: string) {}

  /** Takes a command in and names it. */
  add(command: Command): CommandId {
    if (SUPERSEDED.has(command.name)) this.drop(command.name);
    const id = `${this.prefix}-${this.#next++}`;
    this.#waiting.set(id, command);
    return id;
  }

  /** The answered command; `undefined` if it had been superseded. */
  answered(id: CommandId): Command | undefined {
    const command = this.#waiting.get(id);
    this.#waiting.delete(id);
    return command;
  }

  /** Forgets the commands of a name. */
  drop(name: Command["name"]): void {
    for (const [id, command] of this.#waiting) {
      if (command.name === name) this.#waiting.delete(id);
    }
  }

  /** Whether a command of this name waits for its answer. */
  has(name: Command["name"]): boolean {
    return [...this.#waiting.values()].some((command) => command.name === name);
  }

  /** All of them, oldest first. */
  entries(): [CommandId, Command][] {
    return [...this.#waiting];
  }
}
