/** A route that answers a list by pages. A full page has a `Link` to the next one, which begins after its last row. */
import { type Static, type TObject, type TProperties, type TSchema, Type } from "@sinclair/typebox";
import { isUuid } from "../kernel/stable-id.ts";
import { invalidCursor, linkTo, listQuery } from "./query.ts";
import { type Input, type None, type Route, route } from "./route.ts";

/** How the place of a row is written in a URL. */
interface Cursor<Row, Place> {
  of(row: Row): string;
  /** @throws InvalidInputError for a text that is no place */
  read(text: string): Place;
}

interface Page<Place> {
  limit: number;
  /** The place of the last row of the page before; absent for the first page. */
  after?: Place;
}

interface List<Filters extends TProperties, Row extends TSchema, Place, Params extends TObject>
  extends Pick<Route, "path" | "scope" | "summary"> {
  params?: Params;
  filters: Filters;
  row: Row;
  cursor: Cursor<Static<Row>, Place>;
  read(input: Input<Static<Params>>, filter: Static<TObject<Filters>>, page: Page<Place>): Promise<Static<Row>[]>;
}

export function listRoute<Filters extends TProperties, Row extends TSchema, Place, Params extends TObject = None>({
  filters,
  row,
  cursor,
  read,
  ...described
}: List<Filters, Row, Place, Params>): Route {
  return route({
    ...described,
    method: "GET",
    query: listQuery<TProperties>(filters),
    answers: { 200: Type.Array(row) },
    async handle(input: Input<Static<Params>, { limit?: number; cursor?: string }>) {
      const { limit = 100, cursor: place, ...filter } = input.query;
      const after = place === undefined ? {} : { after: cursor.read(place) };
      const rows = await read(input, filter as Static<TObject<Filters>>, { limit, ...after });
      const last = rows.at(-1);
      return { body: rows, ...(last && rows.length >= limit && { headers: linkTo(input.url, cursor.of(last)) }) };
    },
  });
}

/** The place of a row by its id, which is a UUID. */
export function byId<Name extends string>(name: Name): Cursor<Record<Name, string>, string> {
  return {
    of: (row) => row[name],
    read(text) {
      if (isUuid(text)) return text;
      throw invalidCursor();
    },
  };
}

/** The place of a row by its name. */
export const BY_NAME: Cursor<{ name: string }, string> = { of: ({ name }) => name, read: (text) => text };
