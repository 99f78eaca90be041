/** `actcore version`. */
import { buildInfo } from "../generated/build-info.ts";
import { engineVersions } from "../generated/engines.ts";
import type { CommandContext } from "./command.ts";

export async function runVersion({ print, json }: Pick<CommandContext, "print" | "json">): Promise<number> {
  const { version, commit, dirty, bun, temporalSdk } = buildInfo;
  const versions = {
    actcore: version,
    commit: dirty ? `${commit}+changes` : commit,
    bun,
    temporal_sdk: temporalSdk,
    ...engineVersions,
  };
  if (json) print(JSON.stringify(versions));
  else for (const [name, value] of Object.entries(versions)) print(`${name.padEnd(13)} ${value}`);
  return 0;
}
