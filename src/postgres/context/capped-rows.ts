/** Rows as JSON, of which Postgres sends no more than may be kept: neither their number nor their size is known before. */
import { type SQL, sql } from "drizzle-orm";
import { MAX_ANSWER_BYTES } from "../../context/source.ts";
import { parseJson } from "../../json/parse.ts";
import { TerminalError } from "../../kernel/errors.ts";

/** A row of `cappedRows`: how many bytes it and those before it have, and its text where these are not too many. */
export type CappedRow = {
  json: string | null;
  bytes: number;
};

const BEFORE = `select case when bytes <= ${MAX_ANSWER_BYTES} then json end as json, bytes::float8 as bytes
  from (select json, sum(octet_length(json)) over (rows unbounded preceding) as bytes from (`;
const AFTER = `) as r) as s`;

/** A query around `rows`, which has a column `json` of texts. The order of its rows is kept. */
export const cappedRows = (rows: SQL): SQL => sql`${sql.raw(BEFORE)}${rows}${sql.raw(AFTER)}`;
/** The same of a text. */
export const cappedText = (rows: string): string => BEFORE + rows + AFTER;

/** What the rows say. @throws TerminalError `source_too_large`, with a hint what to do about it */
export function readCapped<Row>(rows: readonly CappedRow[], hint: string): Row[] {
  const bytes = rows.at(-1)?.bytes ?? 0;
  if (bytes > MAX_ANSWER_BYTES)
    throw new TerminalError("source_too_large", `its answer has ${bytes} bytes: at most ${MAX_ANSWER_BYTES} are read`, {
      hint,
    });
  return rows.map(({ json }) => parseJson(json as string) as Row);
}
