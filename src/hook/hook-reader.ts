/** The port through which hooks are found; postgres is behind it. */
import type { HookBody } from "./schema.ts";

/** What is stored of a hook. */
export interface StoredHook extends HookBody {
  id: string;
  /** Every change adds one. */
  version: number;
}

export interface HookReader {
  /** The live hook of this name as it is now; undefined where there is none. One that is not enabled is there. */
  find(name: string): Promise<StoredHook | undefined>;
}
