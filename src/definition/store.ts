/** The port through which the rest of the program keeps definitions; postgres/definition/definition-store.ts is behind it. */
import type { Definition, DefinitionBody, TriggerType } from "./schema.ts";

/** Where a definition came from when no file made it. */
export const REST_SOURCE = "rest";

export interface DefinitionFilter {
  /** Exactly this one. */
  name?: string;
  enabled?: boolean;
  trigger_type?: TriggerType;
  source?: string;
  /** Whether its document is gone. */
  retired?: boolean;
}

export interface DefinitionPage {
  limit: number;
  /** Continue after the definition of this name. */
  after?: string;
}

/** Who makes a change, and which version it was made for. */
export interface ChangeContext {
  /** For the audit log: `key:{name}`, `cli`, `anonymous`. */
  actor: string;
  /** The change is refused when the definition has another version by now. */
  expectedVersion?: number;
}

/** A stored definition and what its source wrote: they differ where an override counts. */
export interface StoredDefinition {
  definition: Definition;
  body: DefinitionBody;
}

/** What a change makes of a definition. */
export interface DefinitionChange {
  body: DefinitionBody;
  /** null: the body's own word counts. */
  enabled_override: boolean | null;
}

/** A version as it was. */
export interface DefinitionVersion extends DefinitionBody {
  version: number;
  created_at: string;
}

/** Every change adds a version, bumps the revision (I4) and is audited, in one transaction. */
export interface DefinitionStore {
  /** @throws TerminalError `name_taken` when a live definition has the name */
  create(body: DefinitionBody, source: string, context: ChangeContext): Promise<Definition>;
  /**
   * Replaces a live definition by what `change` makes of it, under a lock; an equal result changes nothing.
   * @throws TerminalError `definition_not_found`, `version_mismatch`, `name_taken`; what `change` throws
   */
  change(
    id: string,
    change: (stored: StoredDefinition) => DefinitionChange,
    context: ChangeContext,
  ): Promise<Definition>;
  /** Softly: its runs stay. @throws TerminalError `definition_not_found`, `version_mismatch` */
  remove(id: string, context: ChangeContext): Promise<void>;
  /** A live definition, or undefined. */
  find(id: string): Promise<Definition | undefined>;
  findByName(name: string): Promise<StoredDefinition | undefined>;
  /** Live definitions by name. */
  list(filter: DefinitionFilter, page: DefinitionPage): Promise<Definition[]>;
  /** Newest first, those of a deleted definition too. */
  listVersions(id: string, page: { limit: number; before?: number }): Promise<DefinitionVersion[]>;
  findVersion(id: string, version: number): Promise<DefinitionVersion | undefined>;
}
