/** The port through which the rest of the program keeps definitions; postgres/definitions.ts is behind it. */
import type { Definition, DefinitionBody } from "./schema.ts";

/** Where a definition came from when no file made it. */
export const REST_SOURCE = "rest";

export interface DefinitionPage {
  limit: number;
  /** Continue after the definition of this name. */
  after?: string;
}

export interface DefinitionStore {
  /**
   * Stores version 1 and bumps the revision (I4), in one transaction.
   * @throws TerminalError `name_taken` when a live definition has the name.
   */
  create(body: DefinitionBody, source: string): Promise<Definition>;
  /** Replaces the body: a new version and a new revision, in one transaction. */
  replace(id: string, body: DefinitionBody): Promise<Definition>;
  /** A live definition, or undefined. */
  find(id: string): Promise<Definition | undefined>;
  findByName(name: string): Promise<Definition | undefined>;
  /** Live definitions by name. */
  list(page: DefinitionPage): Promise<Definition[]>;
}
