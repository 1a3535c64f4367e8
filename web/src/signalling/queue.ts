import type { Command, CommandId } from "./messages.ts";

/** Commands of which only the latest matters, because each contains the complete state. */
const SUPERSEDED: ReadonlySet<Command["name"]> = new Set(["set_media", "report_check", "report_capture", "set_consent", "enter"]);

/** Unanswered commands, oldest first. */
export class CommandQueue {
  #waiting = new Map<CommandId, Command>();
  #next = 1;

  /** @param prefix makes this page's IDs different from those of every other page */
  constructor(private readonly prefix: string) {}

  /** Adds a command and returns its ID. */
  add(command: Command): CommandId {
    if (SUPERSEDED.has(command.name)) this.drop(command.name);
    const id = `${this.prefix}-${this.#next++}`;
    this.#waiting.set(id, command);
    return id;
  }

  /** Removes and returns the answered command; `undefined` if it was superseded. */
  answered(id: CommandId): Command | undefined {
    const command = this.#waiting.get(id);
    this.#waiting.delete(id);
    return command;
  }

  /** Discards the commands with a name. */
  drop(name: Command["name"]): void {
    for (const [id, command] of this.#waiting) {
      if (command.name === name) this.#waiting.delete(id);
    }
  }

  /** Whether a command with this name is unanswered. */
  has(name: Command["name"]): boolean {
    return [...this.#waiting.values()].some((command) => command.name === name);
  }

  /** All unanswered commands, oldest first. */
  entries(): [CommandId, Command][] {
    return [...this.#waiting];
  }
}
