/** The query of a request, from an object. Pure. */
import { isExactNumber } from "../../json/exact-number.ts";

/** Whether it can stand in a query: a text, a number or a boolean, or a list of them. */
export function isQueryValue(value: unknown): boolean {
  return Array.isArray(value) ? value.every(isSingle) : isSingle(value);
}

function isSingle(value: unknown): boolean {
  return ["string", "number", "boolean"].includes(typeof value) || isExactNumber(value);
}

/** Puts `query` behind what the URL's own query has. A space becomes %20, which every receiver reads as one. */
export function addQuery(url: URL, query: Readonly<Record<string, unknown>>): void {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((each) => `${percentEncode(name)}=${percentEncode(String(each))}`),
  );
  url.search = [url.search.slice(1), ...pairs].filter((part) => part !== "").join("&");
}

const percentEncode = (text: string) => encodeURIComponent(text.toWellFormed());
