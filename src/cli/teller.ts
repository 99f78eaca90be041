/** Tells how a server is doing: on a terminal as text, otherwise in the log. */
import type { Log } from "../kernel/log.ts";
import type { CommandContext } from "./command.ts";

/** `write` takes a line of a terminal, without its end; undefined: there is none. */
export function createTeller(log: Log, write: ((line: string) => void) | undefined): CommandContext["tell"] {
  return (message, facts = {}) => {
    const known = Object.entries(facts).filter(([, fact]) => fact !== undefined);
    if (write === undefined) {
      log.info(
        Object.fromEntries(known.map(([name, fact]) => [name.toLowerCase().replaceAll(" ", "_"), fact])),
        message,
      );
      return;
    }
    write(message);
    for (const [name, fact] of known) write(`  ${name.padEnd(16)} ${fact}`);
  };
}
