/** For tests that are not about which places a task may call. */
import type { OwnEngines } from "../../src/task/http/destination.ts";

export const NO_ENGINES: OwnEngines = { ports: new Map() };
