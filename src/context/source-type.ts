/**
 * What a source type consists of. Each type has a file of its own, context/{type}.ts, whose registration is a `SourceType`, and a
 * line in the table of context/sources.ts. Validation, the API's documents and the resolver read that table.
 */
import type { Static, TObject } from "@sinclair/typebox";
import type { Scope, Values } from "../expression/scope.ts";
import type { Fault } from "../kernel/errors.ts";
import type { Dial } from "../outbound/dial.ts";
import type { OwnEngines } from "../outbound/own-engines.ts";
import type { Secrets } from "../secret/secrets.ts";
import type { KeyValueReader, PreviousRunReader, RecordedEventReader, SqlReader } from "./ports.ts";
import { RUN_SCOPE } from "./run-scope.ts";

export interface SourceType<Fields extends TObject = TObject, Compiled = unknown> {
  /** The title of its schema. */
  readonly title: string;
  /** The schema of its own fields, besides those that each source has. */
  readonly fields: Fields;
  /** The names that its answer has: the roots that `select` may read. */
  readonly answer: readonly string[];
  /** The part of the answer that is the source's value where it has no `select`; the whole answer when absent. */
  readonly main?: string;
  /** What the schema does not say of fields that conform to it; `path` is that of the source. */
  findFaults(fields: Static<Fields>, path: string, rules: SourceRules): Fault[];
  /** What runs of fields without a fault. */
  compile(fields: Static<Fields>): Compiled;
  createReader(deps: ReaderDeps): Reader<Compiled>;
}

/** What the sources of a definition are checked by. */
export interface SourceRules {
  readonly engines: OwnEngines;
  /** The names of the SQL connections; absent where this process does not know those of the one that resolves. */
  readonly connections?: readonly string[];
}

/** The adapters that sources read from. */
export interface ReaderDeps {
  readonly secrets: Secrets;
  readonly dial: Dial;
  readonly sql: SqlReader;
  readonly keyValues: KeyValueReader;
  readonly previousRuns: PreviousRunReader;
  readonly recordedEvents: RecordedEventReader;
}

/** What one try to read a source is given besides the source's own fields. */
export interface Question {
  /** What its templates and expressions may read, without `secret`. */
  readonly values: Values;
  readonly run: RunFacts;
  /** Whether `select`, or in its absence the source's value, reads this part of the answer. */
  readonly wants: (part: string) => boolean;
  /** Milliseconds until the source's timeout. */
  readonly leftMs: number;
  /** Aborts at the source's timeout, and when nobody waits for the context any more. */
  readonly signal: AbortSignal;
}

/** The run that the context is for. */
export interface RunFacts {
  readonly activity_id: string;
  readonly run_id: string;
  readonly fired_at: Date;
}

/**
 * One try. Resolves with the answer, which has the names of `SourceType.answer`; rejects when the signal aborts. Written as a
 * method, so that TypeScript takes the reader of one type's fields for one of unknown fields.
 * @throws TerminalError when trying again cannot help; RetryableError, or anything else, when it may
 */
export type Reader<Compiled = unknown> = {
  read(fields: Compiled, question: Question): Promise<Record<string, unknown>>;
}["read"];

/** What the templates and expressions of a source may read. */
export const SOURCE_SCOPE: Scope = { ...RUN_SCOPE, roots: [...RUN_SCOPE.roots, "secret"] };
