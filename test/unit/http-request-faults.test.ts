/** Requests of http tasks that are refused when a definition is stored, because no try could send them as written. */
import { expect, test } from "bun:test";
import { findRequestFaults, findUrlFaults } from "../../src/outbound/request-faults.ts";
import { NO_ENGINES } from "../support/own-engines.ts";

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

test("a header with an expression is known by its name only", () => {
  expect(faultsOf({ headers: { a: "{{ event.payload.a }}", b: "{{ 'a\nb' }}" } })).toEqual([]);
  expect(faultsOf({ headers: { "a b": "{{ event.payload.a }}" } })).toMatchObject([{ path: "/params/headers/a b" }]);
});

const urlFaultsOf = (url: string) => findUrlFaults(url, "/url", NO_ENGINES).map(({ message }) => message);

test.each([
  "http://crm.local/{{ id }}",
  "https://crm.local:8443/?id={{ id }}",
  "http://[::1]/{{ id }}",
  "{{ event.payload.url }}",
  "http://{{ host }}/",
  "http://169.254.169.{{ n }}/",
])("the written part of %s has no fault", (url) => {
  expect(urlFaultsOf(url)).toEqual([]);
});

test.each([
  ["http://169.254.169.254/{{ path }}", "link-local"],
  ["http://metadata.google.internal/{{ path }}", "metadata"],
  ["http://crm.local:99999/{{ path }}", "expected an http:// or https:// URL"],
])("%s: what is written before the expression is refused", (url, why) => {
  expect(urlFaultsOf(url)).toEqual([expect.stringContaining(why)]);
});
