/** The commands and their flags: the one table behind parsing, help and the nearest name of a typing error. */
import { SCOPES } from "../access/scope.ts";
import type { Command } from "./command.ts";

const PORTS = ["postgresPort", "natsPort", "natsMonitorPort", "temporalPort", "temporalUiPort"] as const;
const URLS = ["dbUrl", "natsUrl", "temporalHost", "temporalTls", "temporalNamespace", "caFile"] as const;
const DIRECTORIES = ["dataDir", "cacheDir"] as const;

/** What a task's URL is compared with. */
const ENGINES = ["dbUrl", "natsUrl", "temporalHost", ...PORTS] as const;

const DATABASE = ["dataDir", "dbUrl", "caFile", "logLevel"] as const;

/** What the imports share; FILE may be `-`, which is stdin. */
const IMPORT = {
  out: { value: "DIR", help: "write a file for each activity there, and no others [print them]" },
  shadow: { help: "as shadows, which decide and record and do nothing: to compare them first" },
  "run-on": { value: "LABEL", help: "a label of the workers that have the scripts" },
} as const;

/** A name of two words is one of a group: `keys create`. */
export const COMMANDS = {
  serve: {
    summary: "run the server: its roles, and the engines that have no URL",
    settings: [
      "roles",
      "workerLabels",
      ...DIRECTORIES,
      ...URLS,
      "httpAllow",
      "commands",
      "smtpUrl",
      "mailFrom",
      "apiAddr",
      "apiHosts",
      "hooksAddr",
      "insecureNoAuth",
      "metricsAddr",
      "definitionsDirs",
      "syncIntervalMs",
      "skipScheduleSync",
      "secretsDir",
      "drainTimeoutMs",
      "eventRetentionMs",
      "runRetentionMs",
      "keyRetentionMs",
      "auditRetentionMs",
      "logLevel",
      ...PORTS,
    ],
    run: async (context) => (await import("./serve.ts")).runServe(context),
  },
  engines: {
    summary: "run the engines alone, for roles in processes of their own",
    settings: [...DIRECTORIES, ...URLS, "logLevel", ...PORTS],
    run: async ({ config, ...deps }) => (await import("./engines.ts")).runEngines(config, deps),
  },
  status: {
    summary: "tell which engines run where, with versions and sizes, and which activities are overdue",
    settings: [...DIRECTORIES, ...URLS, "logLevel", ...PORTS],
    json: true,
    run: async ({ config, ...deps }) => (await import("./status.ts")).runStatus(config, deps),
  },
  migrate: {
    summary: "bring the database schema up to date",
    settings: DATABASE,
    run: async (context) => (await import("./migrate.ts")).runMigrate(context),
  },
  sync: {
    summary: "bring definitions, hooks and schedules up to their files, now and in this process",
    settings: [
      "definitionsDirs",
      "dataDir",
      "dbUrl",
      "temporalHost",
      "temporalTls",
      "temporalNamespace",
      "caFile",
      "logLevel",
    ],
    json: true,
    options: {
      "dry-run": { help: "tell what would be changed, field by field, and change nothing" },
      history: { value: "DURATION", help: "with --dry-run: tell what it would have changed so long back, such as 7d" },
      force: { help: "retire however much has vanished from the files" },
      "event-types": { help: "bring the event types up to their files too" },
      "no-definitions": { help: "leave the activities as they are" },
      "no-hooks": { help: "leave the hooks as they are" },
      "no-schedules": { help: "leave the engine's schedules as they are" },
    },
    run: async (context) => (await import("./sync.ts")).runSync(context),
  },
  explain: {
    summary: "tell why an activity ran on an event or at a due time, or why it did not, from the database",
    settings: [...DATABASE, "eventRetentionMs", "runRetentionMs", "keyRetentionMs"],
    json: true,
    options: {
      event: { value: "ID", help: "the id of an event; without --activity: each activity that it reached" },
      activity: { value: "NAME", help: "an activity, by its name or its UUID" },
      at: { value: "TIME", help: "a due time of the activity, such as 2026-12-24T18:00:00Z, or one near it [now]" },
    },
    run: async (context) => (await import("./explain.ts")).runExplain(context),
  },
  validate: {
    summary: "check definition files, or directories of them, without a server or a database",
    settings: ENGINES,
    json: true,
    rest: "PATH",
    run: async (context) => (await import("./validate.ts")).runValidate(context),
  },
  "dry-run": {
    summary: "tell what an activity of a file would do on an event or at a due time, and do nothing of it",
    settings: [...ENGINES, "secretsDir", "httpAllow", "caFile"],
    json: true,
    positionals: ["FILE"],
    options: {
      event: { value: "FILE", help: "an event as JSON; what it leaves out is filled in" },
      due: { value: "TIME", help: "a due time, such as 2026-12-24T18:00:00Z" },
      given: { value: "FILE", help: "values of context sources as JSON, by their names: these are not asked" },
      name: { value: "NAME", help: "which activity, where the file has several" },
    },
    run: async (context) => (await import("./dry-run.ts")).runDryRun(context),
  },
  next: {
    summary: "tell when the activities of a definition file, or of a directory, would be due next",
    settings: ENGINES,
    json: true,
    positionals: ["FILE"],
    options: { count: { value: "NUMBER", help: "how many due times of each, at most 1000 [10]" } },
    run: async (context) => (await import("./next.ts")).runNext(context),
  },
  "import crontab": {
    summary: "make definition files of a crontab, and tell what of it is missing in them",
    settings: ENGINES,
    json: true,
    positionals: ["FILE"],
    options: {
      system: { help: "each entry has a user behind its time, as in /etc/crontab and /etc/cron.d" },
      user: { value: "NAME", help: "whose crontab it is: who runs its commands [that of the worker]" },
      timezone: { value: "ZONE", help: "by which its times are read [that of this host]" },
      ...IMPORT,
    },
    run: async (context) => (await import("./import.ts")).runImportCrontab(context),
  },
  "import celery-beat": {
    summary: "make definition files of Celery's periodic tasks, which send them to its workers as before",
    settings: ENGINES,
    json: true,
    positionals: ["FILE"],
    options: {
      app: { value: "MODULE", help: "the Celery application, as celery -A has it", required: true },
      celery: { value: "PATH", help: "the program that sends the tasks [celery]" },
      workdir: { value: "DIR", help: "where the application is found" },
      user: { value: "NAME", help: "who sends the tasks [that of the worker]" },
      timezone: { value: "ZONE", help: "by which times are read where the file does not say it [UTC]" },
      ...IMPORT,
    },
    run: async (context) => (await import("./import.ts")).runImportCeleryBeat(context),
  },
  "keys create": {
    summary: "make an API key, and show it this once",
    settings: DATABASE,
    json: true,
    options: {
      name: { value: "NAME", help: "whose it is: the audit log names it so", required: true },
      scopes: { value: "LIST", help: `what it may do, of ${SCOPES.join(",")}`, required: true },
      "expires-in": { value: "DURATION", help: "until when, such as 90d [for ever]" },
    },
    run: async (context) => (await import("./keys.ts")).runKeysCreate(context),
  },
  "keys list": {
    summary: "list the API keys, with their last use",
    settings: DATABASE,
    json: true,
    run: async (context) => (await import("./keys.ts")).runKeysList(context),
  },
  "keys revoke": {
    summary: "revoke an API key, for ever and at once",
    settings: DATABASE,
    positionals: ["KEY_ID"],
    run: async (context) => (await import("./keys.ts")).runKeysRevoke(context),
  },
  version: {
    summary: "tell the versions of actcore, Bun, the Temporal SDK and the engines",
    settings: [],
    json: true,
    run: async (context) => (await import("./version.ts")).runVersion(context),
  },
} as const satisfies Record<string, Command>;

export type CommandName = keyof typeof COMMANDS;
