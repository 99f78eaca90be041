/**
 * Makes Temporal's SDK fit into one compiled file. Four places assume a node_modules folder at run time:
 *
 * 1. core-bridge looks its native library up by path: here the target's own is required by name, so Bun embeds it.
 * 2. worker's workflow bundler loads webpack and swc, build-time tools: stubbed, the bundle is made before.
 * 3. threaded-vm starts its worker thread from a path: here from an entry point inside the binary.
 * 4. source-map, which each worker asks, reads its WebAssembly from beside its own file: here it stands in the code.
 *
 * And one line that the SDK prints past every logger, on each start under Bun, is left out: stderr is for JSON lines.
 *
 * A replacement whose pattern is not found exactly once, or whose file the build never loaded, fails the build: an
 * update of the SDK must not turn into a binary that breaks when it first runs a workflow.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { BunPlugin } from "bun";
import type { Target } from "./target.ts";

/** To be compiled as an entry point of its own, named by `[name].[ext]`. */
export const WORKER_THREAD = Bun.resolveSync(
  "@temporalio/worker/lib/workflow/workflow-worker-thread.js",
  import.meta.dir,
);

const MAPPINGS = readFileSync(
  Bun.resolveSync("source-map/lib/mappings.wasm", Bun.resolveSync("@temporalio/worker", import.meta.dir)),
);

interface Patch {
  /** End of the file's path, with forward slashes. */
  readonly file: string;
  readonly replacements: readonly (readonly [pattern: string, replacement: string])[];
}

function patchesFor(target: Target): readonly Patch[] {
  return [
    {
      file: "@temporalio/core-bridge/index.js",
      replacements: [
        ["const { getPrebuiltPath } = require('./common');\n", ""],
        ["const nativeLibPath = getPrebuiltPath();\n", ""],
        ["require(nativeLibPath)", `require("./releases/${target.coreBridge}/index.node")`],
      ],
    },
    {
      file: "@temporalio/worker/lib/workflow/threaded-vm.js",
      replacements: [["require.resolve('./workflow-worker-thread')", '"/$bunfs/root/workflow-worker-thread.js"']],
    },
    {
      file: "source-map/lib/read-wasm.js",
      replacements: [
        ['const wasmPath = path.join(__dirname, "mappings.wasm");', `const wasm = "${MAPPINGS.toString("base64")}";`],
        ["fs.readFile(wasmPath, null, (error, data) => {", "((error, data) => {"],
        [
          "resolve(data.buffer);\n    });",
          'resolve(data.buffer);\n    })(null, Uint8Array.from(Buffer.from(wasm, "base64")));',
        ],
      ],
    },
    {
      file: "@temporalio/worker/lib/workflow/vm-shared.js",
      replacements: [
        ["console.warn('v8.promiseHooks.createHook is not available; stack trace collection will be disabled.');", ""],
      ],
    },
  ];
}

const BUNDLER = "@temporalio/worker/lib/workflow/bundler.js";
const BUNDLER_EXPORTS =
  "exports.WorkflowCodeBundler = exports.disallowedModules = exports.disallowedBuiltinModules = exports.allowedBuiltinModules = exports.defaultWorkflowInterceptorModules = void 0;";
const BUNDLER_STUB = `
const absent = () => { throw new Error("workflows are bundled when actcore is built, not when it runs"); };
exports.WorkflowCodeBundler = class { constructor() { absent(); } };
exports.bundleWorkflowCode = absent;
exports.moduleMatches = absent;
exports.defaultWorkflowInterceptorModules = exports.allowedBuiltinModules = [];
exports.disallowedModules = exports.disallowedBuiltinModules = [];
`;

/** The plugin, and the check to run after the build, which throws when a patch was never applied. */
export function temporalPlugin(target: Target): { plugin: BunPlugin; assertApplied: () => void } {
  const patches = patchesFor(target);
  const pending = new Set([...patches.map(({ file }) => file), BUNDLER]);
  const plugin: BunPlugin = {
    name: "temporal",
    setup(build) {
      for (const { file, replacements } of patches) {
        build.onLoad({ filter: endingWith(file) }, async ({ path }) => {
          pending.delete(file);
          let contents = await Bun.file(path).text();
          for (const [pattern, replacement] of replacements)
            contents = replaceOnce(contents, pattern, replacement, path);
          return { contents, loader: "js" };
        });
      }
      build.onLoad({ filter: endingWith(BUNDLER) }, async ({ path }) => {
        pending.delete(BUNDLER);
        replaceOnce(await Bun.file(path).text(), BUNDLER_EXPORTS, "", path);
        return { contents: BUNDLER_STUB, loader: "js" };
      });
    },
  };
  const assertApplied = () => {
    if (pending.size > 0) throw new Error(`the Temporal plugin found nothing to patch in ${[...pending].join(", ")}`);
  };
  return { plugin, assertApplied };
}

function endingWith(file: string): RegExp {
  return new RegExp(`${file.split("/").map(RegExp.escape).join(String.raw`[\\/]`)}$`);
}

function replaceOnce(text: string, pattern: string, replacement: string, path: string): string {
  const count = text.split(pattern).length - 1;
  if (count !== 1)
    throw new Error(`${path}: expected once, found ${count} times: ${pattern}; see deploy/build/plugin.ts`);
  return text.replace(pattern, () => replacement);
}

/** Gives a build for `target` that platform's engines instead of the host's, which stand in src/generated. */
export function enginesPlugin(moduleText: string): BunPlugin {
  return {
    name: "engines",
    setup(build) {
      build.onLoad({ filter: endingWith(join("src", "generated", "engines.ts")) }, () => ({
        contents: moduleText,
        loader: "ts",
      }));
    },
  };
}
