/** The route of a list that is newest first and paged by the ids of its rows. */
import { type Static, type TObject, Type } from "@sinclair/typebox";
import type { Page } from "../explain/ledger-reader.ts";
import { linkNext, readPage, readSince } from "./query.ts";
import type { Route, RouteInput } from "./route.ts";
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
  /** What the caller sees of a row; all of it when absent. */
  show?(row: Static<Row>, may: RouteInput["may"]): Static<Row>;
  read(services: Services, filter: Filter<Static<Query>>, page: Page): Promise<Static<Row>[]>;
}

/** What a query has besides its page, with its time read. */
type Filter<Query> = Omit<Query, "limit" | "cursor" | "since"> & { since?: Date };

export function listRoute<Query extends TObject, Row extends TObject>(list: List<Query, Row>): Route {
  const { row, id, read, show = (each) => each, ...route } = list;
  return {
    ...route,
    method: "GET",
    answers: { 200: Type.Array(row) },
    async handle({ query, services, url, may }) {
      const { limit: _, cursor: __, since, ...filter } = query;
      const page = readPage(query);
      const rows = await read(services, { ...filter, ...readSince(since) } as Filter<Static<Query>>, page);
      const last = rows.at(-1)?.[id] as string | undefined;
      return { body: rows.map((each) => show(each, may)), headers: linkNext(url, rows.length, page.limit, last) };
    },
  };
}
