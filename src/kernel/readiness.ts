/** What works and what is waited for in this process; `/readyz` shows it. */
import type { RoleName } from "./setting-values.ts";

const ENGINES = ["postgres", "nats", "temporal"] as const;
export type Engine = (typeof ENGINES)[number];

export interface EngineReadiness {
  state: "up" | "down";
  /** RFC 3339: when it came into this state. */
  since: string;
  /** Why it is down. */
  error?: string;
}

export interface RoleReadiness {
  state: "waiting" | "running" | "draining" | "failed";
  since: string;
  waiting_for?: Engine[];
  error?: string;
}

/** How the syncs of this process ended; a sync that fails makes no process unready. */
export interface SyncReadiness {
  /** RFC 3339; null: none yet. */
  last_success: string | null;
  last_failure: string | null;
  /** Why the last sync failed; null once a sync succeeded. */
  error: string | null;
  /** How long the last sync took that came to its end. */
  duration_ms: number | null;
}

export interface ReadinessReport {
  status: "ready" | "not_ready";
  /** Which process answers, and since when. `started_at` changes with each start. */
  process: { pid: number; started_at: string };
  engines: Partial<Record<Engine, EngineReadiness>>;
  roles: Partial<Record<RoleName, RoleReadiness>>;
  sync: SyncReadiness;
}

export interface Readiness {
  engineUp(engine: Engine): void;
  engineDown(engine: Engine, error: string): void;
  role(role: RoleName, state: RoleReadiness["state"], error?: string): void;
  /** A sync of files and schedules ended: with this error, or well; `durationMs` where it came to its end. */
  synced(end: { error?: string; durationMs?: number }): void;
  /** Ready when every engine that a role of this process needs is up, and every role runs. */
  report(): ReadinessReport;
}

/** `needs` says which engines each role of this process asks for. */
export function createReadiness(needs: Partial<Record<RoleName, readonly Engine[]>>): Readiness {
  const engines: Partial<Record<Engine, EngineReadiness>> = {};
  const roles: Partial<Record<RoleName, RoleReadiness>> = {};
  const sync: SyncReadiness = { last_success: null, last_failure: null, error: null, duration_ms: null };
  const now = () => new Date().toISOString();
  const started_at = new Date(Date.now() - process.uptime() * 1000).toISOString();

  function setEngine(engine: Engine, state: EngineReadiness["state"], error?: string): void {
    const since = engines[engine]?.state === state ? engines[engine].since : now();
    engines[engine] = { state, since, ...(error !== undefined && { error }) };
  }
  function setRole(role: RoleName, state: RoleReadiness["state"], error?: string): void {
    const since = roles[role]?.state === state ? roles[role].since : now();
    roles[role] = { state, since, ...(error !== undefined && { error }) };
  }
  for (const role of Object.keys(needs) as RoleName[]) setRole(role, "waiting");
  for (const engine of ENGINES) {
    if (Object.values(needs).some((needed) => needed.includes(engine))) setEngine(engine, "down", "not reached yet");
  }

  return {
    engineUp: (engine) => setEngine(engine, "up"),
    engineDown: (engine, error) => setEngine(engine, "down", error),
    role: setRole,
    synced({ error, durationMs }) {
      sync[error === undefined ? "last_success" : "last_failure"] = now();
      sync.error = error ?? null;
      sync.duration_ms = durationMs ?? sync.duration_ms;
    },
    report() {
      const down = ENGINES.filter((engine) => engines[engine]?.state === "down");
      const shown = structuredClone(roles);
      for (const [role, readiness] of Object.entries(shown) as [RoleName, RoleReadiness][]) {
        const missing = down.filter((engine) => needs[role]?.includes(engine));
        if (missing.length > 0) readiness.waiting_for = missing;
      }
      const running = Object.values(roles).every(({ state }) => state === "running");
      return {
        status: down.length === 0 && running ? "ready" : "not_ready",
        process: { pid: process.pid, started_at },
        engines: structuredClone(engines),
        roles: shown,
        sync: { ...sync },
      };
    },
  };
}
