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

export interface ReadinessReport {
  status: "ready" | "not_ready";
  engines: Partial<Record<Engine, EngineReadiness>>;
  roles: Partial<Record<RoleName, RoleReadiness>>;
}

export interface Readiness {
  engineUp(engine: Engine): void;
  engineDown(engine: Engine, error: string): void;
  role(role: RoleName, state: RoleReadiness["state"], error?: string): void;
  /** Ready when every engine that a role of this process needs is up, and every role runs. */
  report(): ReadinessReport;
}

/** `needs` says which engines each role of this process asks for. */
export function createReadiness(needs: Partial<Record<RoleName, readonly Engine[]>>): Readiness {
  const engines: Partial<Record<Engine, EngineReadiness>> = {};
  const roles: Partial<Record<RoleName, RoleReadiness>> = {};
  const now = () => new Date().toISOString();

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
        engines: structuredClone(engines),
        roles: shown,
      };
    },
  };
}
