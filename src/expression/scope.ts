/** What an expression may read, and what it does read. */

/** What may be read in one place of a definition. A name that is not listed is refused when the definition is stored. */
export interface Scope {
  /** For instance event, trigger, run, context, tasks, item, index, now, secret. */
  roots: readonly string[];
  /** By root: the names below it that exist, such as {context: ["account"]}. A root that is not here may have any. */
  names?: Readonly<Record<string, readonly string[]>>;
}

/** By root: plain JSON, ExactNumber included. A root that is absent reads as null. */
export type Values = Readonly<Record<string, unknown>>;

export interface Reads {
  roots: ReadonlySet<string>;
  /** The names below a root that are read: of `tasks.mail.status`, `names("tasks")` has `mail`. */
  names(root: string): ReadonlySet<string>;
}
