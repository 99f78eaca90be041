/** Wherever a route takes an activity's id, it takes its name as well. */
import { describe, expect, test } from "bun:test";
import { type Access, createApp, createRoutes } from "../../src/http/app.ts";
import type { Services } from "../../src/http/services.ts";
import { createLog } from "../../src/kernel/log.ts";
import { TASK_TYPES } from "../../src/task/types.ts";

const ID = "0b0b0b0b-0000-7000-8000-000000000000";
const access: Access = {
  hosts: { loopback: true, hosts: [] },
  closed: () => undefined,
  authenticate: async () => ({ actor: "anonymous", scopes: ["admin"] }),
};

/** What the services were asked for, by whatever was asked of them. */
async function ask(method: string, path: string, known: readonly string[]) {
  const asked: unknown[] = [];
  const definitions = {
    findByName: async (name: string) => (known.includes(name) ? { definition: { id: ID } } : undefined),
    find: async (id: string) => void asked.push(id),
  };
  const list = async ({ activity_id }: { activity_id?: string }) => {
    asked.push(activity_id);
    return [];
  };
  const services = { definitions, ledger: { listRuns: list, listTasks: list } } as unknown as Services;
  const app = createApp(services, access, createLog("silent"), TASK_TYPES);
  const answer = await app.handle(new Request(`http://localhost${path}`, { method }));
  return { status: answer.status, asked, body: await answer.json() };
}

describe("an activity's name", () => {
  const names = [
    "morning-report",
    "a b",
    "a/b",
    "50% off?",
    "a+b&c=d#e",
    "über",
    "name:x",
    "日本",
    "\u2028",
    "..",
    "%2F",
  ];

  test.each(names)("serves in a path: %j", async (name) => {
    const { asked } = await ask("GET", `/activity-definitions/name:${encodeURIComponent(name)}`, [name]);
    expect(asked).toEqual([ID]);
  });

  test.each(names)("serves in a query: %j", async (name) => {
    for (const path of ["/runs", "/tasks"]) {
      const { status, asked } = await ask("GET", `${path}?activity_id=name:${encodeURIComponent(name)}`, [name]);
      expect([status, asked]).toEqual([200, [ID]]);
    }
  });

  test("that no definition has is a 404, in a path and in the filter of a list", async () => {
    for (const path of [
      "/activity-definitions/name:none",
      "/runs?activity_id=name:none",
      "/activity-definitions/name:%00",
    ])
      expect(await ask("GET", path, ["some"])).toMatchObject({ status: 404, body: { code: "definition_not_found" } });
  });
});

test("a UUID is taken as it is", async () => {
  expect((await ask("GET", `/activity-definitions/${ID.toUpperCase()}`, [])).asked).toEqual([ID]);
  expect((await ask("GET", `/runs?activity_id=${ID}`, [])).asked).toEqual([ID]);
});

test.each(["morning-report", "name:", "42"])(
  "what is neither a UUID nor a name is refused, and the error tells both forms: %s",
  async (value) => {
    for (const path of [`/activity-definitions/${value}`, `/runs?activity_id=${value}`])
      expect((await ask("GET", path, [""])).body).toMatchObject({
        status: 400,
        errors: [{ message: `expected a UUID, or name: and the name of an activity, received "${value}"` }],
      });
  },
);

test("every route with an activity in its path or query takes both", () => {
  const taking = createRoutes(TASK_TYPES).flatMap(({ path, params, query }) => [
    ...(path.startsWith("/activity-definitions/:id") ? [params?.properties.id] : []),
    ...(query?.properties.activity_id ? [query.properties.activity_id] : []),
  ]);
  expect(taking.length).toBeGreaterThan(10);
  for (const schema of taking) expect(schema).toMatchObject({ "x-activity": true });
});
