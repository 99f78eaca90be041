/** The route of a list that is newest first and paged by the ids of its rows. */
import { type Static, type TObject, Type } from "@sinclair/typebox";
import type { Page } from "../ledger/reader.ts";
import { linkNext, readPage, readSince } from "./query.ts";
import type { Route } from "./route.ts";
import type { Services } from "./services.ts";

interface List<Query extends TObject, Row extends TObject> {
  path: string;
  tag: string;
  scope: NonNullable<Route["scope"]>;
  summary: string;
  /** Made by `listQuery`. */
  query: Query;
  row: Row;
  /** Which field of a row is its id. */
  id: string & keyof Static<Row>;
  read(services: Services, filter: Filter<Static<Query>>, page: Page): Promise<Static<Row>[]>;
}

/** What a query has besides its page, with its time read. */
type Filter<Query> = Omit<Query, "limit" | "cursor" | "since"> & { since?: Date };

export function listRoute<Query extends TObject, Row extends TObject>(list: List<Query, Row>): Route {
  const { row, id, read, ...route } = list;
  return {
    ...route,
    method: "GET",
    answers: { 200: Type.Array(row) },
    async handle({ query, services, url }) {
      const { limit: _, cursor: __, since, ...filter } = query;
      const page = readPage(query);
      const rows = await read(services, { ...filter, ...readSince(since) } as Filter<Static<Query>>, page);
      return { body: rows, headers: linkNext(url, rows.length, page.limit, rows.at(-1)?.[id] as string | undefined) };
    },
  };
}
