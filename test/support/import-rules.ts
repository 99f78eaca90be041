/**
 * Which room may import which, and which files import each other in a circle: pure functions of paths and texts.
 *
 * Imports point one way: main → cli → roles → adapters, activities → the core, from explain/ down to json/, and the
 * kernel below all. docs/architecture.md says what belongs into each room.
 */
import { dirname, join } from "node:path/posix";

const CORE = [
  "replay",
  "rehearsal",
  "explain",
  "sync",
  "dispatch",
  "hook",
  "expectation",
  "schedule",
  "flow",
  "occurrence",
  "event",
  "run",
  "import",
  "document",
  "definition",
  "context",
  "task",
  "outbound",
  "processes",
  "secret",
  "match",
  "expression",
  "calendar",
  "json",
];
const ADAPTERS = ["postgres", "nats", "temporal", "http", "engines", "mail"];

/** The rooms that each room may import, besides itself; every room but `workflows` may import the kernel. */
export const ROOMS: Readonly<Record<string, readonly string[]>> = {
  // Everything that a process prints is masked, from its first line on.
  "main.ts": ["cli", "secret"],
  // Commands need an adapter where no role is at work: migrate, status, the process' own monitor and runtime. `validate`
  // and `next` read files and ask the core itself: they work without any engine.
  cli: ["roles", ...ADAPTERS, ...CORE, "access", "generated"],
  roles: [...ADAPTERS, "activities", ...CORE, "access", "maintenance", "generated"],
  activities: CORE,
  // Adapters implement the ports of the core, and never see each other.
  postgres: [...CORE, "access", "maintenance"],
  nats: CORE,
  mail: CORE,
  temporal: CORE,
  http: [...CORE, "access", "generated"],
  // Engines know nothing of activities: what they start is other people's.
  engines: ["processes", "generated"],
  // What is run once more: it reads the past as rehearsals do.
  replay: ["rehearsal", "dispatch", "hook", "flow", "occurrence", "event", "run", "definition", "match", "json"],
  // What would happen: nothing is done, and nothing is stored.
  rehearsal: [
    ...[
      "explain",
      "sync",
      "dispatch",
      "schedule",
      "flow",
      "occurrence",
      "event",
      "run",
      "document",
      "definition",
      "context",
    ],
    ...["task", "outbound", "secret", "match", "expression", "calendar", "json"],
  ],
  // What a reader sees is made of what the rooms below record.
  explain: [
    ...["dispatch", "schedule", "flow", "occurrence", "event", "run", "context", "task", "definition", "match"],
    ...["expression", "calendar", "json"],
  ],
  // Documents into rows, rows into schedules.
  sync: ["schedule", "hook", "event", "document", "definition", "task", "expression", "calendar", "json"],
  // The two doors through which most starts come; what they share is in occurrence/.
  dispatch: ["flow", "occurrence", "event", "run", "definition", "expression", "calendar", "json"],
  // The door of providers' webhooks: who may send, and which event it becomes.
  hook: ["event", "definition", "task", "secret", "access", "expression", "calendar", "json"],
  // What is expected of activities: it asks what became of their due times.
  expectation: ["schedule", "occurrence", "event", "definition", "calendar", "json"],
  schedule: ["occurrence", "run", "definition", "calendar", "json"],
  // Which occasions wait for others: windows of events, and runs that others hold up.
  flow: ["occurrence", "event", "run", "definition", "expression", "calendar", "json"],
  // Every start passes here.
  occurrence: ["event", "run", "definition", "expression", "calendar", "json"],
  event: ["run", "definition", "match", "expression", "calendar", "json"],
  run: ["definition", "context", "task", "secret", "expression", "calendar", "json"],
  // A file holds definitions, event types and hooks.
  document: ["hook", "event", "definition", "task", "calendar", "json"],
  // Files of other schedulers become definition files.
  import: ["document", "task", "expression", "calendar", "json"],
  // A definition is made of a trigger, of context sources and of task templates.
  definition: ["context", "task", "outbound", "match", "expression", "calendar", "json"],
  // What a run looks at before it decides.
  context: ["task", "outbound", "secret", "match", "expression", "calendar", "json"],
  task: ["outbound", "processes", "expression", "calendar", "json"],
  // What goes out over HTTP, whoever sends it.
  outbound: ["json"],
  // Processes of this host, whoever starts them: how one is begun, followed and ended, and what the system says of them.
  processes: [],
  // Where secrets come from, and how they are kept out of what is shown.
  secret: ["expression", "json"],
  // CEL, and texts with expressions. Pure.
  expression: ["calendar", "json"],
  // Definitions and context sources say in the same words which events they mean.
  match: ["json"],
  // Which time zones the engine knows is read from the engine that was built.
  calendar: ["json", "generated"],
  // Who may do what. The faults and durations of its requests are written as a definition's are.
  access: ["calendar", "json"],
  // How long rows are kept; it knows tables by name only.
  maintenance: [],
  // JSON as such, whatever it says.
  json: [],
  kernel: [],
  // Of a run, types and names only: workflow code stays the same function of its history (I9).
  workflows: ["run/run.ts", "run/call.ts", "run/human.ts", "run/step-after.ts", "json"],
};

/** Packages that touch the outside, and the only rooms that may: an adapter is named for what it touches. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  postgres: ["postgres", "engines"],
  "drizzle-orm": ["postgres"],
  nats: ["nats"],
  nodemailer: ["mail"],
  "@bufbuild/cel": ["expression"],
  "@bufbuild/protobuf": ["expression"],
  elysia: ["http"],
  "@elysiajs/swagger": ["http"],
  "@temporalio/client": ["temporal", "engines"],
  "@temporalio/worker": ["temporal"],
  "@temporalio/proto": ["temporal"],
  "@temporalio/activity": ["activities"],
  "@temporalio/workflow": ["workflows"],
  "@temporalio/common": ["workflows", "activities", "temporal"],
};

/** Words that only these files may use. */
const WORDS: readonly { pattern: RegExp; what: string; files: readonly string[] }[] = [
  {
    pattern: /\b(?:process|Bun|import\.meta)\.env\b/,
    what: "reads the environment",
    files: ["kernel/config.ts", "main.ts"],
  },
  { pattern: /\bprocess\.(?:exit|abort|reallyExit)\b/, what: "ends the process", files: ["main.ts"] },
  {
    // A trigger and a task's policy are compiled once. What is compiled has nothing left to parse.
    pattern: /\bparse(?:Duration|Cron|RunAt)\b/,
    what: "parses a duration, a cron expression or a one-shot's time",
    // The times of a human task are recorded with it as they are written, and count from when it is asked.
    files: [
      "task/human/human-state.ts",
      "calendar/duration.ts",
      "calendar/cron-expression.ts",
      "calendar/run-at.ts",
      // Compilation.
      "calendar/calendar.ts",
      "definition/activity.ts",
      // Validation: of a trigger, of a change over REST, and of a request for a key, which says when it expires.
      "calendar/trigger-faults.ts",
      // Both, of the context sources of a definition.
      "context/sources.ts",
      "context/events.ts",
      "definition/rest-change.ts",
      "definition/expectation.ts",
      "definition/flow.ts",
      "hook/hook.ts",
      "access/key-request.ts",
      // How far back somebody asks.
      "rehearsal/sync-rehearsal.ts",
    ],
  },
];

/** What `text` at `path` (below src/, with `/`) does that it may not; empty when it keeps the rules. */
export function findViolations(path: string, text: string): string[] {
  const room = roomOf(path);
  if (ROOMS[room] === undefined) return [`${path}: ${room} is in no table of rooms`];
  const code = withoutComments(text);
  const violations = WORDS.filter(({ pattern, files }) => pattern.test(code) && !files.includes(path)).map(
    ({ what }) => `${path}: ${what}`,
  );
  for (const specifier of importsOf(code)) {
    if (specifier === undefined) violations.push(`${path}: imports a path that is computed`);
    else if (!isAllowed(path, room, specifier)) violations.push(`${path}: imports ${specifier}`);
  }
  return violations;
}

/** The circles of files that import each other, each in the order of its imports; types count. */
export function findCircles(texts: ReadonlyMap<string, string>): string[][] {
  const imports = new Map(
    [...texts].map(([path, text]) => [
      path,
      importsOf(withoutComments(text))
        .filter((specifier) => specifier?.startsWith("."))
        .map((specifier) => join(dirname(path), specifier as string)),
    ]),
  );
  const circles: string[][] = [];
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    const start = way.indexOf(path);
    if (start >= 0) circles.push(way.slice(start));
    if (start >= 0 || done.has(path)) return;
    for (const next of imports.get(path) ?? []) visit(next, [...way, path]);
    done.add(path);
  };
  for (const path of texts.keys()) visit(path, []);
  return circles;
}

function isAllowed(path: string, room: string, specifier: string): boolean {
  if (!specifier.startsWith(".")) return isPackageAllowed(room, specifier);
  const target = join(dirname(path), specifier);
  if (target.startsWith("..")) return false;
  const targetRoom = roomOf(target);
  if (room === targetRoom) return true;
  if (targetRoom === "kernel") return room !== "workflows";
  return (ROOMS[room] ?? []).some((allowed) => allowed === targetRoom || allowed === target);
}

function isPackageAllowed(room: string, specifier: string): boolean {
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  const rooms = PACKAGES[name];
  return rooms === undefined ? room !== "workflows" : rooms.includes(room);
}

/** The folder, or the file itself where it stands in none. */
function roomOf(path: string): string {
  return path.split("/")[0] ?? path;
}

/** Of formatted source: a comment begins its line or follows a space. */
function withoutComments(text: string): string {
  return text.replace(/^\s*\/\*[\s\S]*?\*\//gm, "").replace(/(^|\s)\/\/ .*$/gm, "$1");
}

const STATEMENT = /^(?:import|export)\s+(?:[\w$*\s{},]+?\s+from\s+)?(["'])([^"'\n]+)\1/gm;
const CALL = /\b(?:import|require)\(\s*(?:(["'`])([^"'`\n$]+)\1)?/g;

/** Every imported path, type imports and dynamic ones included; undefined where it is no literal. */
function importsOf(code: string): (string | undefined)[] {
  return [...code.matchAll(STATEMENT), ...code.matchAll(CALL)].map(([, , specifier]) => specifier);
}
