/** Names, endpoints and states of the embedded engines: what `engines.json` and `actcore status` tell. */

export const ENGINE_NAMES = ["postgres", "nats", "temporal", "temporal-ui"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

export interface EngineEndpoints {
  /** `postgresql://user:password@host:port/actcore`, a superuser's: treat it as a secret. */
  dbUrl: string;
  natsUrl: string;
  /** `host:port` of Temporal's frontend. */
  temporalHost: string;
  temporalUiUrl?: string;
  /** Where the embedded NATS says how it is; nothing is known of one that is configured. */
  natsMonitorUrl?: string | undefined;
}

export interface EngineStatus {
  name: EngineName;
  /** `running` with an `error` is one that lives but does not answer. */
  state: "starting" | "running" | "restarting" | "stopped";
  pid?: number;
  port: number;
  version: string;
  /** How often it died and was started again since its set was started. */
  restarts: number;
  /** Why it last died or does not answer; absent when all is well. */
  error?: string;
  /** When `state` began, ISO 8601. */
  since: string;
}
