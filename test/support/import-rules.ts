/**
 * Which room may import which (design §2), as a pure function of a file's path and text.
 *
 * Imports point one way: main → cli → roles → adapters, activities → trigger → run, task → definition → json, and the
 * kernel (the files beside the rooms) below all. A room may use everything that the table names for it; where that is more
 * than the design's one line says, the comment says why.
 */
import { dirname, join } from "node:path/posix";

/** Files beside the rooms. They import each other and no room. */
const KERNEL = [
  "errors",
  "log",
  "lifecycle",
  "line-writer",
  "config",
  "settings",
  "setting-values",
  "address",
  "certificates",
  "metrics",
  "printable",
  "readiness",
  "stable-id",
  "wait",
].map((name) => `${name}.ts`);
const CORE = ["ledger", "sync", "trigger", "run", "task", "definition", "json"];
const ADAPTERS = ["postgres", "nats", "temporal", "http", "engines"];

/** The rooms that each room may import, besides itself and the kernel. */
export const ROOMS: Readonly<Record<string, readonly string[]>> = {
  "main.ts": ["cli"],
  // Commands need an adapter where no role is at work: migrate, status, the process' own monitor and runtime. `validate`
  // and `next` read files and ask the core itself: they work without any engine.
  cli: ["roles", ...ADAPTERS, "sync", "access", "trigger", "definition", "json", "generated"],
  roles: [...ADAPTERS, "activities", ...CORE, "access", "generated"],
  activities: CORE,
  // Adapters implement the ports of the core, and never see each other.
  postgres: [...CORE, "access"],
  nats: CORE,
  temporal: CORE,
  http: [...CORE, "access", "generated"],
  // Engines know nothing of activities: what they start is other people's.
  engines: ["generated"],
  // What a reader sees is made of what the rooms below record.
  ledger: ["trigger", "run", "task", "definition", "json"],
  // Documents into rows, rows into schedules.
  sync: ["trigger", "definition", "json"],
  trigger: ["run", "definition", "json"],
  run: ["definition", "json"],
  // An executor does what a definition's template says.
  task: ["definition", "json"],
  // Which time zones the engine knows is read from the engine that was built.
  definition: ["json", "generated"],
  // Who may do what. The faults and durations of its requests are written as a definition's are.
  access: ["definition", "json"],
  // JSON as such, whatever it says.
  json: [],
  // Of a run, types and names only: workflow code stays the same function of its history (I9).
  workflows: ["run/run.ts", "json"],
};

/** Packages that touch the outside, and the only rooms that may: an adapter is named for what it touches. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  postgres: ["postgres", "engines"],
  "drizzle-orm": ["postgres"],
  nats: ["nats"],
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
  { pattern: /\b(?:process|Bun|import\.meta)\.env\b/, what: "reads the environment", files: ["config.ts", "main.ts"] },
  { pattern: /\bprocess\.(?:exit|abort|reallyExit)\b/, what: "ends the process", files: ["main.ts"] },
];

/** What `text` at `path` (below src/, with `/`) does that it may not; empty when it keeps the rules. */
export function findViolations(path: string, text: string): string[] {
  const room = roomOf(path);
  const isKernel = KERNEL.includes(path);
  if (!isKernel && ROOMS[room] === undefined) return [`${path}: ${room} is in no table of rooms`];
  const code = withoutComments(text);
  const violations = WORDS.filter(({ pattern, files }) => pattern.test(code) && !files.includes(path)).map(
    ({ what }) => `${path}: ${what}`,
  );
  for (const specifier of importsOf(code)) {
    if (specifier === undefined) violations.push(`${path}: imports a path that is computed`);
    else if (!isAllowed(path, room, isKernel, specifier)) violations.push(`${path}: imports ${specifier}`);
  }
  return violations;
}

function isAllowed(path: string, room: string, isKernel: boolean, specifier: string): boolean {
  if (!specifier.startsWith(".")) return isPackageAllowed(room, specifier);
  const target = join(dirname(path), specifier);
  if (target.startsWith("..")) return false;
  const targetRoom = roomOf(target);
  if (isKernel) return KERNEL.includes(target);
  if (room === targetRoom) return true;
  if (KERNEL.includes(target)) return room !== "workflows";
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
