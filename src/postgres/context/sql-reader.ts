/**
 * Reads from databases that the operator named, for `sql` sources. Each has a small pool of its own, made when it is first asked for:
 * one that is away delays nobody who reads another one.
 *
 * The query stands within one of ours, by the extended protocol. So it is a single one; Postgres itself writes its rows as
 * JSON, with every digit; and no more rows and bytes come than may be kept.
 */
import postgres from "postgres";
import { MAX_ROWS, type SqlReader } from "../../context/ports.ts";
import { compileTemplate } from "../../expression/template.ts";
import { ActcoreError, describeError, RetryableError, TerminalError } from "../../kernel/errors.ts";
import type { Secrets } from "../../secret/secrets.ts";
import { renderWithSecrets } from "../../secret/with-secrets.ts";
import { errorCode, isAway, type Sql } from "../client.ts";
import { type CappedRow, cappedText, readCapped } from "./capped-rows.ts";

const CONNECTIONS = 4;
const IDLE_SECONDS = 30;
/** How the values that JSON has as texts are written. `set local` ends with the transaction. */
const FORMATS = "set local timezone = 'UTC'; set local datestyle = 'ISO'; set local intervalstyle = 'iso_8601'";
/** The simple protocol, which the client takes for a query without arguments, takes several statements in one text. */
const EXTENDED = { simple: false, prepare: false };
const TOO_MUCH = "Ask for fewer columns and rows";

/** As they were given: the client would make times of texts. */
const TIMES = { to: 1184, from: [1082, 1114, 1184], serialize: String, parse: String };

export interface OpenSqlReader extends SqlReader {
  close(): Promise<void>;
}

/** `urls` are postgres:// URLs by the names of the connections; they may read secrets, at each use. */
export function createSqlReader(urls: Readonly<Record<string, string>>, secrets: Secrets): OpenSqlReader {
  const templates = new Map(
    Object.entries(urls).map(([name, url]) => [name, compileTemplate(url, { roots: ["secret"] })]),
  );
  const pools = new Map<string, { url: string; sql: Sql }>();

  /** Another one where a secret of its URL has changed. */
  function poolOf(name: string): Sql {
    const template = templates.get(name);
    if (template === undefined) throw unknownConnection(name, [...templates.keys()]);
    const url = String(renderWithSecrets(template, {}, secrets));
    const open = pools.get(name);
    if (open?.url === url) return open.sql;
    void open?.sql.end({ timeout: 5 });
    const sql = openPool(name, url, secrets);
    pools.set(name, { url, sql });
    return sql;
  }

  return {
    async query({ connection, query, args, timeoutMs, signal }) {
      const untilMs = performance.now() + timeoutMs;
      const sql = poolOf(connection);
      let cancel = () => {};
      const onAbort = () => cancel();
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        const rows = await sql.begin("read only", async (tx) => {
          signal.throwIfAborted(); // it may have waited for a connection
          const leftMs = Math.max(1, Math.ceil(untilMs - performance.now()));
          await tx.unsafe(`${FORMATS}; set local statement_timeout = ${leftMs}`);
          signal.throwIfAborted();
          const bound = args.map((arg) => tx.typed(toParameter(arg) as string, 0));
          const running = tx.unsafe<CappedRow[]>(within(query), bound, EXTENDED);
          cancel = () => cancelQuery(running);
          return await running;
        });
        if (rows.length > MAX_ROWS)
          throw new TerminalError("sql_too_many_rows", `the query answers more than ${MAX_ROWS} rows`, {
            hint: "Count them, or ask for fewer with LIMIT",
          });
        return readCapped<Record<string, unknown>>(rows, TOO_MUCH);
      } catch (error) {
        signal.throwIfAborted();
        throw toSqlError(connection, error);
      } finally {
        signal.removeEventListener("abort", onAbort);
      }
    },
    async close() {
      await Promise.all([...pools.values()].map(({ sql }) => sql.end({ timeout: 2 })));
      pools.clear();
    },
  };
}

function openPool(name: string, url: string, secrets: Secrets): Sql {
  if (!/^postgres(ql)?:\/\//.test(url) || !URL.canParse(url))
    throw new TerminalError("sql_connection_unknown", `ACTCORE_SQL_${name.toUpperCase()} is no postgres:// URL`, {
      hint: "Write a secret in it as {{ urlencode(secret.NAME) }}",
    });
  const { password } = new URL(url);
  if (password !== "") secrets.register(decodeURIComponent(password));
  return postgres(url, {
    max: CONNECTIONS,
    connect_timeout: 5,
    idle_timeout: IDLE_SECONDS,
    max_lifetime: 1800,
    onnotice: () => {},
    connection: { application_name: "actcore-context" },
    types: { date: TIMES },
  });
}

/** The name of the rows is one that no query has for a column, because a column would win over it. */
function within(query: string): string {
  const text = query.replace(/[\s;]+$/, "");
  return cappedText(
    `select row_to_json(actcore_row)::text as json from (\n${text}\n) as actcore_row limit ${MAX_ROWS + 1}`,
  );
}

/** Postgres says of which type a parameter is. A list goes to an array as one, and to a text as JSON. */
function toParameter(value: unknown): unknown {
  if (typeof value !== "object" || value === null || "toJSON" in value) return value;
  const copy = Array.isArray(value) ? value.map(toParameter) : { ...value };
  return Object.defineProperty(copy, "toString", { value: () => JSON.stringify(value) });
}

/** The client's own `cancel` leaves a failure of the cancelling unhandled. */
function cancelQuery(query: object): void {
  const { canceller } = query as { canceller?: (query: object) => Promise<void> };
  canceller?.(query).catch(() => {});
}

function toSqlError(connection: string, error: unknown): unknown {
  const code = errorCode(error);
  if (code === undefined || error instanceof ActcoreError) return error;
  const message = `${connection}: ${describeError(error)}`;
  const isWriting = code === "25006" || (code === "0A000" && /data-modifying/.test(message));
  if (isWriting)
    return new TerminalError("sql_writes", message, { hint: "A source only reads: leave writing to a task" });
  if (/^(28|3D)/.test(code))
    return new TerminalError("sql_login_refused", message, {
      hint: `Check user, password and database of ACTCORE_SQL_${connection.toUpperCase()}`,
    });
  // 08P01 is about the number of arguments.
  if (isAway(code) && code !== "08P01") return new RetryableError("sql_unavailable", message);
  return new TerminalError("sql_failed", message);
}

function unknownConnection(name: string, known: readonly string[]): TerminalError {
  const others = known.length === 0 ? "there is none" : `there is ${known.join(", ")}`;
  return new TerminalError("sql_connection_unknown", `${name} is no SQL connection of this worker: ${others}`, {
    hint: `Give its URL by ACTCORE_SQL_${name.toUpperCase()}`,
  });
}
