/** What a definition may say of its context sources. */
import { describe, expect, test } from "bun:test";
import { findSourceFaults } from "../../src/context/sources.ts";
import { SOURCE_RULES } from "../support/context.ts";

const faultsOf = (...sources: unknown[]) => findSourceFaults(sources, "/context_sources", SOURCE_RULES);

test("a source of each type is taken", () => {
  expect(
    faultsOf(
      { name: "limits", type: "static", value: { most: 3, of: "{{ event.type }}" } },
      {
        ...{ name: "account", type: "http", timeout: "5s", retry: 1, select: "body.account", optional: false },
        url: "https://crm.local/accounts/{{ event.payload.id }}",
        headers: { authorization: "Bearer {{ secret.CRM }}" },
      },
      {
        name: "found",
        type: "http",
        url: "https://crm.local/find",
        method: "POST",
        body: { ids: ["{{ event.payload.id }}"] },
      },
      {
        ...{ name: "orders", type: "sql", connection: "shop" },
        ...{ query: "select id from orders where customer = $1", args: ["event.payload.id"] },
      },
      { name: "flag", type: "nats_kv", bucket: "flags", key: "{{ event.payload.tier }}.on", format: "text" },
      { name: "before", type: "previous_run", last: 5, outcome: "failed", of: "nightly", select: "run.status" },
      { name: "signups", type: "events", event_type: "user.*", filters: { tier: "pro" }, since: "24h", last: 0 },
    ),
  ).toEqual([]);
});

describe("refused, with the place and what to do:", () => {
  const http = (fields: object) => ({ name: "a", type: "http", url: "https://crm.local/", ...fields });
  const sql = (fields: object) => ({ name: "a", type: "sql", connection: "shop", query: "select 1", ...fields });
  test.each<[what: string, source: unknown, path: string, message: string]>([
    ["no object", 5, "", "expected an object, received 5"],
    ["no type", { name: "a" }, "/type", "is required: one of static, http, sql, nats_kv, previous_run, events"],
    ["an unknown type", { name: "a", type: "htpp" }, "/type", 'received "htpp"'],
    ["a type of every object", { name: "a", type: "constructor" }, "/type", 'received "constructor"'],
    ["no name", { type: "static", value: 1 }, "/name", "is required"],
    ["a name that no expression could read", { name: "a-b", type: "static", value: 1 }, "/name", "a letter first"],
    ["a field of another type", { name: "a", type: "static", value: 1, url: "https://a.b" }, "/url", "unknown field"],
    ["a timeout beyond its bound", http({ timeout: "1h" }), "/timeout", "from 1ms to 300s"],
    ["too many tries", http({ retry: 11 }), "/retry", "a whole number from 0 to 10"],
    ["a select of what is no part of the answer", http({ select: "rows[0]" }), "/select", "rows"],
    ["a select that is no expression", http({ select: "body." }), "/select", "1:"],
    ["an unknown root", http({ url: "https://crm.local/{{ evnt.id }}" }), "/url", "event"],
    ["the context itself", http({ url: "https://crm.local/{{ context.b }}" }), "/url", "context"],
    ["a variable of the environment", http({ headers: { a: "${TOKEN}" } }), "/headers/a", "secret.NAME"],
    ["a body that is not sent", http({ body: {} }), "/body", "sends no body"],
    ["another method", http({ method: "DELETE" }), "/method", "GET or POST"],
    ["a URL where credentials are", http({ url: "http://169.254.169.254/" }), "/url", "link-local"],
    ["a secret that would be stored", { name: "a", type: "static", value: "{{ secret.A }}" }, "/value", "secret"],
    ["a template in a query", sql({ query: "select '{{ event.type }}'" }), "/query", "write $1 in their place"],
    ["a statement that is no query", sql({ query: "-- all\ndelete from t" }), "/query", "expected a query"],
    ["an argument that is no expression", sql({ args: ["event.type", "1 +"] }), "/args/1", "1:"],
    ["a connection by another spelling", sql({ connection: "SHOP" }), "/connection", "ACTCORE_SQL_SHOP"],
    [
      "a bucket that is none",
      { name: "a", type: "nats_kv", bucket: "a.b", key: "k" },
      "/bucket",
      "the name of a bucket",
    ],
    ["more runs than are read", { name: "a", type: "previous_run", last: 21 }, "/last", "from 1 to 20"],
    [
      "a pattern that means nothing",
      { name: "a", type: "events", event_type: "user*" },
      "/event_type",
      "whole segment",
    ],
    ["a time that is none", { name: "a", type: "events", event_type: "a", since: "yesterday" }, "/since", "last_run"],
  ])("%s", (_, source, path, message) => {
    const [fault, ...others] = faultsOf(source);
    expect(others).toEqual([]);
    expect(fault?.path).toBe(`/context_sources/0${path}`);
    expect(fault?.message).toContain(message);
  });

  test("a name that another source has", () => {
    const source = { name: "a", type: "static", value: 1 };
    expect(faultsOf(source, source)).toEqual([
      { path: "/context_sources/1/name", message: '"a" is already the name of /context_sources/0' },
    ]);
  });

  test("a connection that is not there, where this process knows those that are", () => {
    const source = { name: "a", type: "sql", connection: "shp", query: "select 1" };
    const faults = findSourceFaults([source], "/context_sources", { ...SOURCE_RULES, connections: ["shop"] });
    expect(faults).toEqual([
      {
        path: "/context_sources/0/connection",
        message: '"shp" is no connection of this server: there is shop; ACTCORE_SQL_SHP makes it one',
      },
    ]);
  });
});
