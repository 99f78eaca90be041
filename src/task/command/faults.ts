/**
 * What is wrong with the params of a command before any expression in them is evaluated. Pure.
 *
 * What runs is written and never computed: what expressions read comes from others. And what reads a secret is given by env or
 * stdin only: everybody on the host sees the arguments of its processes.
 */
import { isConstant, readsSecret } from "../../expression/template.ts";
import { preview } from "../../json/faults.ts";
import { isFields } from "../../json/fields.ts";
import { pointTo } from "../../json/pointer.ts";
import type { Fault } from "../../kernel/errors.ts";
import type { CommandParams } from "./params.ts";

/** Programs that run what an argument of theirs says, or the file that it names. */
const INTERPRETERS =
  /^(sh|bash|dash|ash|zsh|ksh|mksh|fish|python[\d.]*|perl|ruby|node|bun|deno|php[\d.]*|lua[\d.]*|tclsh|[gm]?awk|pwsh)$/;
/** Programs that run another one, which their arguments name. */
const WRAPPERS =
  /^(env|sudo|doas|nice|ionice|chrt|nohup|timeout|setsid|time|stdbuf|chroot|flock|xargs|busybox|runuser|su|unshare|systemd-run)$/;
/** Variables by which a value decides what runs. */
const DECIDING =
  /^(PATH|ENV|BASH_ENV|SHELLOPTS|BASHOPTS|IFS|PS4|LD_.*|DYLD_.*|PYTHON(PATH|STARTUP|HOME)|PERL5(LIB|OPT|DB)|RUBY(LIB|OPT)|NODE_(OPTIONS|PATH)|BUN_.*)$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const WRITTEN = "takes no expression: it decides what runs, and is written";
const BY_ENV = `a shell line takes no expression, which could add commands to it: give the value by env, and read it as "$NAME"`;
const NO_SECRET =
  "a secret is given to a command by env or stdin: everybody on the host sees the arguments of its processes";

/** Of params whose expressions are evaluated, or that have none. */
export function findCommandFaults({ argv, shell, env = {} }: CommandParams, path: string): Fault[] {
  const faults: Fault[] = [];
  if (argv === undefined && shell === undefined)
    faults.push({ path, message: "has neither argv nor shell: one of them says what to run" });
  if (argv !== undefined && shell !== undefined)
    faults.push({ path, message: "has both argv and shell: only one of them says what to run" });
  if (argv?.[0] === "") faults.push({ path: `${path}/argv/0`, message: "is empty: it names the program" });
  for (const name of Object.keys(env)) {
    const at = pointTo(`${path}/env`, name);
    if (!VARIABLE.test(name))
      faults.push({ path: at, message: "is no name of a variable: letters, digits and '_', and no digit first" });
    else if (name.startsWith("ACTCORE_") || name === "TRACEPARENT")
      faults.push({ path: at, message: "is set by actcore for every command" });
  }
  return faults;
}

/** Of the params as a definition has them: what may have an expression, and which of them may read a secret. */
export function findComputedFaults(params: CommandParams, path: string): Fault[] {
  const { argv, env } = params as { argv?: unknown; env?: unknown };
  return [
    ...(["argv", "shell", "cwd", "env", "user", "success_codes", "retry_codes", "kill_after"] as const).flatMap(
      (name) =>
        [params[name]].flat().flatMap((value): Fault[] => {
          if ((name === "argv" && Array.isArray(argv)) || !isComputed(value)) return [];
          return [{ path: `${path}/${name}`, message: `${preview(value)}: ${name === "shell" ? BY_ENV : WRITTEN}` }];
        }),
    ),
    ...(Array.isArray(argv) ? findComputedArguments(argv, `${path}/argv`) : []),
    ...Object.entries(isFields(env) ? env : {}).flatMap(([name, value]): Fault[] =>
      isComputed(value) && DECIDING.test(name) ? [{ path: pointTo(`${path}/env`, name), message: WRITTEN }] : [],
    ),
  ];
}

/** The line of `shell`, and the code that an interpreter is given by `-c`. */
export function findShellTexts({ argv }: CommandParams): string[] {
  // Arguments that are computed as a whole are no list yet.
  const code = Array.isArray(argv) ? [...argv.keys()].filter((at) => /^-[a-z]*c$/.test(argv[at - 1] ?? "")) : [];
  return ["/shell", ...code.map((at) => `/argv/${at}`)];
}

function findComputedArguments(argv: readonly unknown[], path: string): Fault[] {
  const written = countWritten(argv);
  return argv.flatMap((argument, at): Fault[] => {
    if (!isComputed(argument)) return [];
    if (readsSecret(argument)) return [{ path: `${path}/${at}`, message: NO_SECRET }];
    return at < written ? [{ path: `${path}/${at}`, message: WRITTEN }] : [];
  });
}

/** How many arguments decide what runs: the program, what a wrapper runs, and of an interpreter its code or its script. */
function countWritten(argv: readonly unknown[]): number {
  const names = argv.map((argument) => (isComputed(argument) ? "" : String(argument).replace(/^.*\//, "")));
  let at = 0;
  for (let wrapper = names[at]; WRAPPERS.test(wrapper ?? ""); wrapper = names[at]) {
    at = nextOperand(names, at);
    if (wrapper === "flock" || wrapper === "chroot") at = nextOperand(names, at);
  }
  if (INTERPRETERS.test(names[at] ?? "")) at = nextOperand(names, at);
  return at + 1;
}

/** The next argument that is no option, no value of one as in `-n 5` or `-o pipefail`, and sets no variable. */
function nextOperand(names: readonly string[], from: number): number {
  const isOption = (name: string, before = "") =>
    /^[-+]|^\d+(\.\d+)?[smhd]?$|^[A-Za-z_]\w*=/.test(name) || /^[-+][a-zA-Z]*[oO]$/.test(before);
  const next = names.findIndex((name, at) => at > from && !isOption(name, names[at - 1]));
  return next < 0 ? names.length : next;
}

function isComputed(value: unknown): value is string {
  return typeof value === "string" && !isConstant(value);
}
