/** The definitions that the smoke makes: one file in a directory of its own, replaced as a whole. */
import {
  accessSync,
  chmodSync,
  constants,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

const DIRECTORY_PREFIX = "actcore-smoke-";

export type Version = "hourly" | "daily";

export interface SmokeTree {
  /** Every name that it makes begins so. */
  readonly prefix: string;
  readonly directory: string;
  readonly crons: Readonly<Record<Version, string>>;
  readonly eventType: string;
  name(which: Version | "flipped" | "event"): string;
  /** `hourly`: as at first; `daily`: the hourly one renamed and with another cron, the flipped one disabled. */
  write(version: Version): void;
  remove(): void;
}

/** Why a directory is of no use, or undefined. */
export function findDirectoryFault(directory: string): string | undefined {
  try {
    if (!statSync(directory).isDirectory()) return `${directory} is no directory`;
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code === "ENOENT"
      ? `${directory} is not there`
      : `${directory} is not writable`;
  }
}

/** Directories of others that were killed before they could clean up, or that are at it now. */
export function findOthers(parent: string): string[] {
  return readdirSync(parent).filter((name) => name.startsWith(DIRECTORY_PREFIX));
}

/** Its due times are half an hour away: none of them comes while it is there. */
export function createSmokeTree(parent: string, now: Date): SmokeTree {
  const id = crypto.randomUUID().slice(0, 8);
  const prefix = `smoke-${id}-`;
  const directory = join(parent, `${DIRECTORY_PREFIX}${id}`);
  const minute = (now.getUTCMinutes() + 30) % 60;
  const crons = { hourly: `${minute} * * * *`, daily: `${minute} ${(now.getUTCHours() + 12) % 24} * * *` };
  const eventType = `${prefix}event.happened`;

  const document = (name: string, trigger: object, enabled = true) =>
    [
      `name: ${prefix}${name}`,
      `enabled: ${enabled}`,
      `trigger_config: ${JSON.stringify(trigger)}`,
      `task_templates: [{key: note, type: log, params: {message: "${prefix}${name} ran"}}]`,
    ].join("\n");
  const cron = (expression: string) => ({ trigger_type: "cron", cron_expression: expression, timezone: "UTC" });

  return {
    prefix,
    directory,
    crons,
    eventType,
    name: (which) => `${prefix}${which}`,
    write(version) {
      // The server may run as another user, and may read at any moment: all of a version or nothing of it.
      mkdirSync(directory, { recursive: true });
      chmodSync(directory, 0o755);
      const documents = [
        document(version, cron(crons[version])),
        document("flipped", cron(crons.hourly), version === "hourly"),
        document("event", { trigger_type: "event", event_type: eventType }),
      ];
      const draft = join(directory, ".activities.yaml.new");
      writeFileSync(draft, `# Made by \`make smoke\`, which removes it.\n${documents.join("\n---\n")}\n`);
      chmodSync(draft, 0o644);
      renameSync(draft, join(directory, "activities.yaml"));
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
