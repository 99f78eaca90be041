/** argv → command → exit code. The only place that ends the process. */
import { isatty } from "node:tty";
import type { CommandContext } from "./cli/command.ts";
import { COMMANDS } from "./cli/commands.ts";
import { commandHelp, overview } from "./cli/help.ts";
import { parseCommandLine } from "./cli/parse.ts";
import { createTeller } from "./cli/teller.ts";
import { trustInProcess } from "./kernel/certificates.ts";
import { loadConfig } from "./kernel/config.ts";
import { ActcoreError, describeError, InvalidInputError } from "./kernel/errors.ts";
import { listenForShutdown } from "./kernel/lifecycle.ts";
import { createLossyWriter, writeWhole } from "./kernel/line-writer.ts";
import { createLog } from "./kernel/log.ts";
import { inLines } from "./kernel/printable.ts";
import { createSecrets } from "./secret/secrets.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

process.exit(await main(process.argv.slice(2)));

async function main(argv: string[]): Promise<number> {
  let mask = (text: string) => text;
  const print = (line: string) => writeWhole(1, `${inLines(mask(line))}\n`);
  try {
    const parsed = parseCommandLine(argv);
    if (parsed.help) {
      print(parsed.command === undefined ? overview(parsed.group) : commandHelp(parsed.command, process.env));
      return 0;
    }
    const config = loadConfig(parsed.flags, process.env, parsed.faults, parsed.command);
    if (config.caFile !== undefined) trustInProcess(config.caFile);
    const secrets = createSecrets({ directory: config.secretsDir, values: config.secretValues() });
    mask = secrets.mask;
    const log = createLog(config.logLevel, { masking: secrets });
    const { drainTimeoutMs } = config;
    const shutdown = listenForShutdown(drainTimeoutMs, (reason) =>
      log.info({ reason, waits_up_to_ms: drainTimeoutMs, hint: "a second signal cuts the wait short" }, "stopping"),
    );
    process.on("unhandledRejection", (error) => log.error({ error }, "unhandled rejection"));
    try {
      const { json, args, rest } = parsed;
      const writeLine = isatty(1) ? createLossyWriter(1) : undefined;
      const tell = createTeller(log, writeLine && ((line) => void writeLine(`${inLines(mask(line))}\n`)));
      const context: CommandContext = { config, secrets, log, print, tell, shutdown, json, args, rest };
      return await COMMANDS[parsed.command].run(context);
    } finally {
      shutdown.dispose();
    }
  } catch (error) {
    createLossyWriter(2)(`${inLines(mask(explain(error)))}\n`);
    return error instanceof InvalidInputError ? EXIT_USAGE : EXIT_FAILED;
  }
}

/** An expected error as what went wrong and what to do; an unexpected one with its stack. */
function explain(error: unknown): string {
  if (!(error instanceof ActcoreError)) return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const faults =
    error instanceof InvalidInputError ? error.faults.map(({ path, message }) => `  ${path}: ${message}`) : [];
  const hint = error.hint === undefined ? [] : [error.hint];
  return [`actcore: ${describeError(error)}`, ...faults, ...hint].join("\n");
}
