/** What the documentation and the comments refer to exists: invariants, files, pages and their sections. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path/posix";
import { Glob } from "bun";
import { REPOSITORY, SOURCE } from "../../deploy/build/repository.ts";

const INVARIANT = /\bI\d+\b/g;
/** Folders of src/ hold the rooms; comments and pages name a file from there, or from the root, and pages leave `.ts` out. */
const ROOMS = [...new Glob("*").scanSync({ cwd: SOURCE, onlyFiles: false })].filter((name) => !name.includes("."));
const FILE = /(?<![\w./{}-])(?:[\w-]+\/)+[\w.-]+\.(?:ts|sql|sh)(?![\w/*{])/g;
const FILE_OF_A_ROOM = new RegExp(`(?<![\\w./{}-])(?:${ROOMS.join("|")})/[a-z][\\w/-]*(?![\\w./{*-])`, "g");
const LINK = /\]\((?!https?:)([^)\s]+)\)/g;
const HEADING = /^#+ (.+)$/gm;

const texts = new Map<string, string>();
for (const pattern of ["src/**/*.ts", "test/**/*.ts", "docs/**/*.md", "deploy/**/*.ts", "README.md"])
  for (const path of new Glob(pattern).scanSync(REPOSITORY))
    if (!path.startsWith("src/generated/") && path !== "test/unit/docs.test.ts")
      texts.set(path, await Bun.file(join(REPOSITORY, path)).text());

/** The text of the comments in a source file; a page whole. */
function proseOf(path: string, text: string): string {
  if (path.endsWith(".md")) return text;
  return (text.match(/^[ \t]*\/\*[\s\S]*?\*\/|(?:^|[ \t])\/\/ .*$/gm) ?? []).join("\n");
}

/** How GitHub names the section of a heading in a link. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

function findUnknownInvariants(prose: string, listed: ReadonlySet<string>): string[] {
  return [...new Set(prose.match(INVARIANT))].filter((name) => !listed.has(name));
}

function findMissingFiles(path: string, prose: string): string[] {
  const names = [...(prose.match(FILE) ?? []), ...(path.endsWith(".md") ? (prose.match(FILE_OF_A_ROOM) ?? []) : [])];
  const roots = [REPOSITORY, SOURCE, join(REPOSITORY, "test")];
  return names.filter(
    (name) => !roots.some((root) => existsSync(join(root, name)) || existsSync(join(root, `${name}.ts`))),
  );
}

function findBrokenLinks(page: string, text: string): string[] {
  return [...text.matchAll(LINK)].flatMap(([, link = ""]) => {
    const [path = "", section] = link.split("#");
    const target = path === "" ? page : normalize(join(dirname(page), path));
    if (!existsSync(join(REPOSITORY, target))) return [link];
    const headings = [...(texts.get(target) ?? "").matchAll(HEADING)].map(([, heading = ""]) => anchorOf(heading));
    return section === undefined || headings.includes(section) ? [] : [link];
  });
}

const listed = new Set(
  texts
    .get("docs/invariants.md")
    ?.match(/^## I\d+/gm)
    ?.map((heading) => heading.slice(3)),
);

test("every invariant that a comment or a page cites is in docs/invariants.md", () => {
  expect([...listed]).toHaveLength(10);
  expect(
    [...texts].flatMap(([path, text]) =>
      findUnknownInvariants(proseOf(path, text), listed).map((name) => `${path}: ${name}`),
    ),
  ).toEqual([]);
});

test("every file that a comment or a page names exists", () => {
  expect(
    [...texts].flatMap(([path, text]) => findMissingFiles(path, proseOf(path, text)).map((name) => `${path}: ${name}`)),
  ).toEqual([]);
});

test("every link between pages leads to a page and a section that exist", () => {
  expect(
    [...texts].flatMap(([path, text]) =>
      path.endsWith(".md") ? findBrokenLinks(path, text).map((link) => `${path}: ${link}`) : [],
    ),
  ).toEqual([]);
});

test("a planted reference to nothing is found", () => {
  expect(findUnknownInvariants("kept whole (I1, I11)", listed)).toEqual(["I11"]);
  expect(findMissingFiles("a.ts", "run/run.ts, and `run/nothing.ts` is behind it")).toEqual(["run/nothing.ts"]);
  expect(findMissingFiles("a.md", "`run/run` decides, `run/nothing` does not")).toEqual(["run/nothing"]);
  expect(findBrokenLinks("docs/a.md", "[a](nothing.md) [b](invariants.md#i99) [c](../README.md)")).toEqual([
    "nothing.md",
    "invariants.md#i99",
  ]);
});
