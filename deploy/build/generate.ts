/**
 * Makes src/generated: what the program imports, but nobody writes by hand. `generate.ts`
 *
 * Each module opens with the hash of what it was made from; one whose inputs did not change is left alone, so a second
 * call costs milliseconds and does not touch a file's time.
 */
import { existsSync } from "node:fs";
import { copyFile, link, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import packageJson from "../../package.json";
import { buildEngines } from "./engines.ts";
import { progress } from "./progress.ts";
import { GENERATED, REPOSITORY, SOURCE } from "./repository.ts";
import { runScript } from "./script.ts";
import { findTarget, HOST } from "./target.ts";
import { readTimeZones } from "./time-zones.ts";

/** Everything in src/generated, in milliseconds when nothing changed. */
export async function generate(): Promise<void> {
  await mkdir(GENERATED, { recursive: true });
  await generateAssetTypes();
  const engines = await buildEngines(findTarget(HOST));
  await generateEngines(engines);
  await generateTimeZones(engines);
  await generateWorkflowBundle();
  await generateMigrations();
  await generateSwaggerUi();
  await generateBuildInfo();
}

/** The module for the engines of cache entry `entry`; `archive` is where it imports the archive from. */
export async function renderEngines(entry: string, archive = join(entry, "engines.tar.zst")): Promise<string> {
  const key = await Bun.file(join(entry, "key")).text();
  const versions = await Bun.file(join(entry, "engines", "versions.json")).json();
  return `import archive from ${JSON.stringify(archive)} with { type: "file" };

/** Path of the archive, readable with Bun.file, also inside a compiled binary. */
export const enginesArchive: string = archive;
/** Short hash of the archive's content. */
export const enginesKey = ${JSON.stringify(key)};
export const engineVersions = ${JSON.stringify(versions)} as const;
`;
}

async function generateEngines(entry: string): Promise<void> {
  const text = await renderEngines(entry, "./engines.tar.zst");
  await generateModule("engines", hash(text), async () => {
    await placeFile(join(entry, "engines.tar.zst"), "engines.tar.zst");
    return text;
  });
}

/** The same for every target: the sources of one version of Go bring them. */
async function generateTimeZones(entry: string): Promise<void> {
  const inputs = [
    await Bun.file(join(entry, "key")).text(),
    await Bun.file(join(import.meta.dir, "time-zones.ts")).text(),
  ];
  await generateModule("time-zones", hash(...inputs), async () => {
    const engine = await Bun.file(join(entry, "engines", "bin", "temporal-server")).arrayBuffer();
    return `/** IANA names that the engine knows on every machine. */
export const ENGINE_TIME_ZONES: ReadonlySet<string> = new Set(${JSON.stringify(readTimeZones(Buffer.from(engine)))});
`;
  });
}

/** Its inputs are found by the room they may come from: bundling refuses imports from any other. */
async function generateWorkflowBundle(): Promise<void> {
  const inputs = [
    ...(await readTree(join(SOURCE, "workflows"))),
    ...(await readTree(join(SOURCE, "run"))),
    ...(await readTree(join(SOURCE, "json"))),
    await Bun.file(join(REPOSITORY, "bun.lock")).text(),
    await Bun.file(join(import.meta.dir, "workflow-bundle.ts")).text(),
  ];
  await generateModule("workflow-bundle", hash(...inputs), async () => {
    // Loaded only here: Temporal's worker package takes longer to load than all the rest to check.
    const { bundleWorkflows } = await import("./workflow-bundle.ts");
    const code = await progress("bundling the workflows", bundleWorkflows);
    await writeFile("workflow-bundle.js.txt", code);
    return `import code from "./workflow-bundle.js.txt" with { type: "text" };

/** For the Worker's option of the same name. */
export const workflowBundle: { readonly code: string } = { code };
`;
  });
}

async function generateMigrations(): Promise<void> {
  const directory = join(SOURCE, "postgres", "migrations");
  const names = existsSync(directory) ? (await readdir(directory)).filter((name) => name.endsWith(".sql")).sort() : [];
  const migrations = await Promise.all(
    names.map(async (file) => ({
      name: file.slice(0, -".sql".length),
      sql: await Bun.file(join(directory, file)).text(),
    })),
  );
  const text = `/** In the order in which they apply. */
export const migrations: readonly { readonly name: string; readonly sql: string }[] = ${JSON.stringify(migrations, null, 2)};
`;
  await generateModule("migrations", hash(text), async () => text);
}

async function generateSwaggerUi(): Promise<void> {
  const version = packageJson.dependencies["swagger-ui-dist"];
  const text = `import script from "./swagger-ui-bundle.js.asset" with { type: "file" };
import style from "./swagger-ui.css.asset" with { type: "file" };

/** Paths readable with Bun.file, also inside a compiled binary; name the content type when you serve them. */
export const swaggerUi = {
  version: ${JSON.stringify(version)},
  script: { path: script as string, contentType: "text/javascript; charset=utf-8" },
  style: { path: style as string, contentType: "text/css; charset=utf-8" },
} as const;
`;
  await generateModule("swagger-ui", hash(text), async () => {
    const source = join(REPOSITORY, "node_modules", "swagger-ui-dist");
    await placeFile(join(source, "swagger-ui-bundle.js"), "swagger-ui-bundle.js.asset");
    await placeFile(join(source, "swagger-ui.css"), "swagger-ui.css.asset");
    return text;
  });
}

/** No time of the build: the same commit gives the same binary. */
async function generateBuildInfo(): Promise<void> {
  const git = async (...args: string[]) => (await Bun.$`git ${args}`.cwd(REPOSITORY).nothrow().quiet()).text().trim();
  const info = {
    version: packageJson.version,
    commit: (await git("rev-parse", "--short=12", "HEAD")) || "unknown",
    dirty: (await git("status", "--porcelain", "--untracked-files=no")) !== "",
    bun: Bun.version,
    temporalSdk: packageJson.dependencies["@temporalio/worker"],
  };
  const text = `/** \`dirty\`: the checkout had changes that \`commit\` does not hold. */
export const buildInfo: {
  readonly version: string;
  readonly commit: string;
  readonly dirty: boolean;
  readonly bun: string;
  readonly temporalSdk: string;
} = ${JSON.stringify(info, null, 2)};
`;
  await generateModule("build-info", hash(text), async () => text);
}

/** TypeScript knows no module for files that Bun embeds. */
async function generateAssetTypes(): Promise<void> {
  const text = ["*.tar.zst", "*.asset"]
    .map((glob) => `declare module ${JSON.stringify(glob)} {\n  const path: string;\n  export default path;\n}\n`)
    .join("");
  await generateModule("assets.d", hash(text), async () => text);
}

/** Writes src/generated/<name>.ts with what `make` answers, unless the one there was made from the same inputs. */
async function generateModule(name: string, inputsHash: string, make: () => Promise<string>): Promise<void> {
  const opening = `// generated by deploy/build from ${inputsHash}\n`;
  const file = Bun.file(join(GENERATED, `${name}.ts`));
  if ((await file.exists()) && (await file.text()).startsWith(opening)) return;
  await writeFile(`${name}.ts`, opening + (await make()));
}

/** In one step, so that whoever imports it at this moment sees the old or the new, and no half. */
async function writeFile(name: string, text: string): Promise<void> {
  const draft = join(GENERATED, `.${name}.${process.pid}`);
  await Bun.write(draft, text);
  await rename(draft, join(GENERATED, name));
}

/** A hard link where the file system allows it. */
async function placeFile(source: string, name: string): Promise<void> {
  const draft = join(GENERATED, `.${name}.${process.pid}`);
  await rm(draft, { force: true });
  await link(source, draft).catch(() => copyFile(source, draft));
  await rename(draft, join(GENERATED, name));
}

async function readTree(directory: string): Promise<string[]> {
  const names = (await readdir(directory, { recursive: true })).filter((name) => name.endsWith(".ts")).sort();
  return await Promise.all(names.map(async (name) => `${name}\0${await Bun.file(join(directory, name)).text()}`));
}

function hash(...texts: string[]): string {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const text of texts) hasher.update(`${text.length}:${text}`);
  return hasher.digest("hex").slice(0, 16);
}

if (import.meta.main) await runScript(generate);
