/** Params whose expressions were evaluated, and what the schema and the type of the task say of them. */
import { findFaults } from "../json/faults.ts";
import { setAt, valueAt } from "../json/pointer.ts";
import type { TemplateSources } from "./task.ts";
import type { TaskRules } from "./task-type.ts";

/** The params as they are to be recorded, or the first fault: a text that begins with its place in the definition. */
export type CheckedParams = { params: unknown } | { fault: string };

/**
 * `path` is that of the params. A number or boolean becomes a text where only a text may stand, as in a header. A text that reads
 * secrets is not known yet: its executor finds what is wrong with it.
 */
export function createParamsCheck({ types, engines }: TaskRules) {
  return (name: string, params: unknown, sources: TemplateSources, path: string): CheckedParams => {
    const type = types[name];
    if (type === undefined) return { params };
    const unknown = new Set(Object.keys(sources).filter((pointer) => sources[pointer]?.values !== undefined));
    const pointerOf = (fault: { path: string }) => fault.path.slice(path.length);
    const findShapeFaults = (value: unknown) =>
      findFaults(type.params, value, path).filter((fault) => !unknown.has(pointerOf(fault)));

    let fitted = params;
    for (const fault of findShapeFaults(params)) {
      const pointer = pointerOf(fault);
      const value = valueAt(params, pointer);
      if (Object.hasOwn(sources, pointer) && (typeof value === "number" || typeof value === "boolean"))
        fitted = setAt(fitted, pointer, String(value));
    }
    const shape = findShapeFaults(fitted);
    const own = shape.length > 0 ? shape : type.findFaults(fitted as never, path, engines);
    const fault = own.find((each) => !unknown.has(pointerOf(each)));
    return fault === undefined ? { params: fitted } : { fault: `${fault.path} ${fault.message}` };
  };
}
