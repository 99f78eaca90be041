/** Definition files: YAML or JSON, one or many documents each, anywhere below a directory. */
import { lstat, readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { isAlias, isScalar, LineCounter, parseAllDocuments, visit } from "yaml";
import { describeError, type Fault, InvalidInputError } from "../errors.ts";
import type { DefinitionBody } from "./schema.ts";
import { parseDefinition } from "./validate.ts";

/** Bytes of one file. */
const MAX_FILE_BYTES = 1_048_576;
const MAX_ALIASES = 100;

export interface FileDefinition {
  /** `file:{path below its directory}`. */
  source: string;
  body: DefinitionBody;
}

/** A file, or a document of it, that could not be read; the others stand. */
export interface FileFault {
  /** Path of the file, with `:line` where it is known. */
  subject: string;
  message: string;
}

export interface FilesRead {
  definitions: FileDefinition[];
  faults: FileFault[];
}

/** Reads every .yaml, .yml and .json file below `directory`, in the order of their paths. */
export async function readDefinitionFiles(directory: string): Promise<FilesRead> {
  const read: FilesRead = { definitions: [], faults: [] };
  let names: string[];
  try {
    names = (await readdir(directory, { recursive: true })).filter((name) => /\.(ya?ml|json)$/i.test(name)).sort();
  } catch (error) {
    return { definitions: [], faults: [{ subject: directory, message: `cannot be read: ${describeError(error)}` }] };
  }
  for (const name of names) await readFileInto(read, directory, join(directory, name));
  return read;
}

async function readFileInto(read: FilesRead, directory: string, path: string): Promise<void> {
  try {
    const stat = await lstat(path);
    if (stat.isDirectory()) return;
    if (!stat.isFile()) throw new Error("is no regular file; links are not followed");
    if (stat.size > MAX_FILE_BYTES) throw new Error(`has ${stat.size} bytes, more than ${MAX_FILE_BYTES}`);
    const parsed = parseDefinitions(await readFile(path, "utf8"), path);
    const source = `file:${relative(directory, path)}`;
    read.definitions.push(...parsed.bodies.map((body) => ({ source, body })));
    read.faults.push(...parsed.faults);
  } catch (error) {
    read.faults.push({ subject: path, message: describeError(error) });
  }
}

/** The definitions of one file's text; `path` is for the faults. JSON is YAML too. */
export function parseDefinitions(text: string, path: string): { bodies: DefinitionBody[]; faults: FileFault[] } {
  const bodies: DefinitionBody[] = [];
  const faults: FileFault[] = [];
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true });
  for (const document of Array.isArray(documents) ? documents : []) {
    const lineAt = (offset: number | undefined) => `${path}:${offset === undefined ? 1 : lines.linePos(offset).line}`;
    const [broken] = document.errors;
    if (broken !== undefined) {
      faults.push({ subject: lineAt(broken.pos[0]), message: broken.message.split("\n")[0] ?? "is no YAML" });
      continue;
    }
    if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) continue;
    let aliases = 0;
    visit(document, (_, node) => void (isAlias(node) && aliases++));
    if (aliases > MAX_ALIASES) {
      faults.push({
        subject: lineAt(document.range?.[0]),
        message: `has ${aliases} aliases, more than ${MAX_ALIASES}`,
      });
      continue;
    }
    try {
      bodies.push(parseDefinition(document.toJS({ maxAliasCount: MAX_ALIASES })));
    } catch (error) {
      if (!(error instanceof InvalidInputError))
        faults.push({ subject: lineAt(document.range?.[0]), message: describeError(error) });
      else
        faults.push(
          ...error.faults.map((fault) => ({
            subject: lineAt(offsetOf(document, fault)),
            message: `${fault.path} ${fault.message}`,
          })),
        );
    }
  }
  return { bodies, faults };
}

/** Where the field of a fault stands in the text: the deepest part of its path that is there. */
function offsetOf(
  document: { getIn(path: unknown[], keep: boolean): unknown; range?: unknown },
  { path }: Fault,
): number | undefined {
  const keys = path
    .split("/")
    .filter((key) => key !== "")
    .map((key) => (/^\d+$/.test(key) ? Number(key) : key));
  for (let depth = keys.length; depth >= 0; depth--) {
    const node = depth === 0 ? document : document.getIn(keys.slice(0, depth), true);
    const range = (node as { range?: [number, number, number] } | undefined)?.range;
    if (range) return range[0];
  }
  return undefined;
}
