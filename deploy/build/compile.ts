/**
 * Compiles src/main.ts and everything that it needs into one file: `compile.ts [--target=<platform>]`.
 *
 * dist/actcore for the host, dist/actcore-<target> where a target is named. It runs from an empty folder, without
 * node_modules, Bun or Node. Identifiers keep their names: Temporal finds workflows and activities by function name,
 * and drizzle, elysia and errors show names to people.
 */
import { chmod, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { buildEngines } from "./engines.ts";
import { renderEngines } from "./generate.ts";
import { fetchPackage } from "./npm-package.ts";
import { enginesPlugin, temporalPlugin, WORKER_THREAD } from "./plugin.ts";
import { progress } from "./progress.ts";
import { DIST, SOURCE } from "./repository.ts";
import { runScript } from "./script.ts";
import { HOST, parseTarget, type Target } from "./target.ts";

export interface Compilation {
  readonly entry: string;
  readonly outfile: string;
  readonly target: Target;
}

/** Throws with all of Bun's messages when the build fails, and when the Temporal plugin did not apply. */
export async function compile({ entry, outfile, target }: Compilation): Promise<void> {
  // Renamed when it is whole: a failed build leaves the old file, and one that runs at this moment is not written to.
  const draft = `${outfile}.tmp-${process.pid}`;
  const temporal = temporalPlugin(target);
  const plugins = [temporal.plugin];
  const compileOptions: Bun.CompileBuildOptions = {
    target: target.bun,
    outfile: draft,
    autoloadDotenv: false,
    autoloadBunfig: false,
  };
  if (target.name !== HOST) {
    plugins.push(enginesPlugin(await renderEngines(await buildEngines(target))));
    compileOptions.executablePath = join(await fetchPackage(target.bunPackage), "bin", "bun");
  }
  try {
    const build = await Bun.build({
      entrypoints: [entry, WORKER_THREAD],
      naming: { entry: "[name].[ext]" },
      target: "bun",
      minify: { whitespace: true, syntax: true, identifiers: false },
      define: { "process.env.NODE_ENV": '"production"' },
      compile: compileOptions,
      plugins,
      throw: false,
    });
    if (!build.success) throw new Error(`the build failed:\n${build.logs.map(String).join("\n")}`);
    temporal.assertApplied();
    await chmod(draft, 0o755);
    await rename(draft, outfile);
  } finally {
    await rm(draft, { force: true });
  }
}

if (import.meta.main) {
  await runScript(async () => {
    const args = Bun.argv.slice(2);
    const target = parseTarget(args);
    const outfile = join(DIST, args.length === 0 ? "actcore" : `actcore-${target.name}`);
    await mkdir(DIST, { recursive: true });
    await progress(`compiling ${outfile}`, () => compile({ entry: join(SOURCE, "main.ts"), outfile, target }));
  });
}
