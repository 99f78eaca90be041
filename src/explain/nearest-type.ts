/** Which type or pattern that some activity waits for is nearest to a type that none waits for. Pure. */
import { type Static, Type } from "@sinclair/typebox";
import { findNearest } from "../kernel/nearest-name.ts";
import { compileTypePattern, matchesType, ONE, REST } from "../match/type-pattern.ts";

export const ListenedType = Type.Object(
  {
    event_type: Type.String({ description: "A type, or a pattern." }),
    activity_id: Type.String({ format: "uuid" }),
    activity_name: Type.String(),
    enabled: Type.Boolean(),
  },
  { title: "ListenedType" },
);
export type ListenedType = Static<typeof ListenedType>;

/** Undefined where each of them differs too much. Of those that are equally near, an enabled one comes first. */
export function findNearestType(type: string, listened: readonly ListenedType[]): ListenedType | undefined {
  const byText = new Map<string, ListenedType>();
  for (const one of listened) {
    const text = fill(one.event_type, type);
    const known = byText.get(text);
    if (known === undefined || (one.enabled && !known.enabled)) byText.set(text, one);
  }
  const nearest = findNearest(type, [...byText.keys()]);
  return nearest === undefined ? undefined : byText.get(nearest);
}

/** Those that wait for the type. */
export function findListening(type: string, listened: readonly ListenedType[]): ListenedType[] {
  return listened.filter(({ event_type }) => matchesType(compileTypePattern(event_type), type));
}

/** A pattern with the segments of the type in the places of its asterisks: what is left is where they differ. */
function fill(eventType: string, type: string): string {
  const { segments } = compileTypePattern(eventType);
  if (segments === undefined) return eventType;
  const found = type.split(".");
  return segments
    .map((segment, index) => {
      if (segment === REST) return found.slice(index).join(".") || REST;
      return segment === ONE ? (found[index] ?? ONE) : segment;
    })
    .join(".");
}
