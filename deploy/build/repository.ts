/** Where things are in this checkout. */
import { join } from "node:path";

export const REPOSITORY = join(import.meta.dir, "..", "..");
export const SOURCE = join(REPOSITORY, "src");
export const GENERATED = join(SOURCE, "generated");
export const DIST = join(REPOSITORY, "dist");
