/** What commands are executed with in this process. */
import type { Config } from "../kernel/config.ts";
import type { Postgres } from "../postgres/client.ts";
import { createDefinitionSources } from "../postgres/definition/definition-sources.ts";
import { createTaskOutputs } from "../postgres/run/task-outputs.ts";
import { createGuard } from "../processes/guard.ts";
import { createProcesses } from "../processes/process-group.ts";
import { createProcessSearch } from "../processes/process-search.ts";
import type { Secrets } from "../secret/secrets.ts";
import { MARKER } from "../task/command/environment.ts";
import type { CommandDeps } from "../task/command/ports.ts";

export function createConfiguredCommands(
  { commands }: Pick<Config, "commands">,
  { mask }: Pick<Secrets, "mask">,
  { prepared }: Pick<Postgres, "prepared">,
): CommandDeps {
  return {
    rule: commands,
    processes: createProcesses({ guard: createGuard(), search: createProcessSearch(MARKER) }),
    outputs: createTaskOutputs(prepared),
    mask,
    ...createDefinitionSources(prepared),
  };
}
