/** What may be asked of the list of skipped due times: a reason that does not exist would find nothing, as if nothing had been missed. */
import { expect, test } from "bun:test";
import { readQuery } from "../../src/http/query.ts";
import { OCCURRENCE_ROUTES } from "../../src/http/routes/skipped-routes.ts";
import type { InvalidInputError } from "../../src/kernel/errors.ts";

function faultsOf(query: string): string[] {
  const schema = OCCURRENCE_ROUTES[0]?.query;
  if (schema === undefined) throw new Error("the route has no query");
  try {
    readQuery(schema, new URLSearchParams(query));
    return [];
  } catch (error) {
    return (error as InvalidInputError).faults.map(({ path, message }) => `${path} ${message}`);
  }
}

test.each(["missed", "overlap", "dst_gap", "deleted"])("the reason %s may be asked for", (reason) => {
  expect(faultsOf(`outcome=skipped&reason=${reason}`)).toEqual([]);
});

test("a reason that no due time has is refused with those that there are", () => {
  expect(faultsOf("outcome=skipped&reason=misssed")).toEqual([
    expect.stringMatching(/^\?reason expected one of missed, .*, deleted, received "misssed"$/),
  ]);
});

test("an outcome that is missing is named with the one that there is", () => {
  expect(faultsOf("")).toEqual(['?outcome is required: "skipped"']);
});
