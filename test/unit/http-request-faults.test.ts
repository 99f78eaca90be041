/** Requests of http tasks that are refused when a definition is stored, because no try could send them as written. */
import { expect, test } from "bun:test";
import { findRequestFaults } from "../../src/outbound/request-faults.ts";

const faultsOf = (params: object) => findRequestFaults(params, "/params");

test.each(["GET", "HEAD"])("a %s has no body", (method) => {
  for (const body of ["x", "", null, { a: 1 }])
    expect(faultsOf({ method, body })).toEqual([
      { path: "/params/body", message: `a ${method} sends no body: leave it out, or choose another method` },
    ]);
  expect(faultsOf({ method })).toEqual([]);
});

test.each([undefined, "POST", "PUT", "PATCH", "DELETE"])("a %s may have a body", (method) => {
  expect(faultsOf({ ...(method && { method }), body: "x" })).toEqual([]);
});

test("a header is named once, whatever its case", () => {
  expect(faultsOf({ headers: { "X-Shop": "1", accept: "a", "x-shop": "2" } })).toEqual([
    {
      path: "/params/headers/x-shop",
      message: 'is the same header as "X-Shop": a header is named once, in upper or lower case',
    },
  ]);
});

test.each([
  ["x y", "1"],
  ["", "1"],
  ["x", "1\r\ny: 2"],
])("%j: %j is no header", (name, value) => {
  expect(faultsOf({ headers: { [name]: value } })).toMatchObject([
    { message: expect.stringContaining("is no HTTP header") },
  ]);
});
