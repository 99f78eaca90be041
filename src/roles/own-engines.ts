/** Where the engines listen that this process uses, embedded or configured: no request may go there. */
import { networkInterfaces } from "node:os";
import { wantedEngines } from "../engines/engine-set.ts";
import type { EngineEndpoints } from "../engines/engine-status.ts";
import { neededPorts } from "../engines/ports.ts";
import { isLoopback } from "../kernel/address.ts";
import type { Config } from "../kernel/config.ts";
import { createDial, type Dial } from "../outbound/dial.ts";
import type { OwnEngines } from "../outbound/own-engines.ts";
import type { TaskRules, TaskTypes } from "../task/task-type.ts";

/** What listens at each endpoint, and the port where its URL names none. */
const ENDPOINTS: Readonly<Record<keyof EngineEndpoints, readonly [use: string, port: number]>> = {
  dbUrl: ["Postgres", 5432],
  natsUrl: ["NATS", 4222],
  natsMonitorUrl: ["NATS monitoring", 8222],
  temporalHost: ["Temporal", 7233],
  temporalUiUrl: ["Temporal Web UI", 8080],
};

/**
 * Finds them by the configuration, and by where the engines were `located`, which may be those of another process on other ports. An
 * engine on another host is known by host and port as its URL has them, not by what its name leads to.
 */
export function findOwnEngines(config: Config, located: Partial<EngineEndpoints> = {}): OwnEngines {
  const embedded = wantedEngines(config);
  const ports = new Map(neededPorts(config, embedded).map(({ port, use }) => [port, use]));
  const elsewhere = new Map<string, string>();
  const { dbUrl, natsUrl, temporalHost } = config;
  const configured: Record<string, string | undefined> = { dbUrl, natsUrl, temporalHost };
  for (const endpoints of [configured, located])
    for (const [name, [use, usualPort]] of Object.entries(ENDPOINTS))
      for (const { host, port } of readAddresses(endpoints[name as keyof EngineEndpoints], usualPort)) {
        if (!isLoopback(host.replace(/^\[|\]$/g, ""))) elsewhere.set(`${host}:${port}`, use);
        else if (use !== "Temporal" || !embedded.includes("temporal")) ports.set(port, use);
        else
          for (const need of neededPorts({ ...config, temporalPort: port }, ["temporal"]))
            ports.set(need.port, need.use);
      }
  const addresses = Object.values(networkInterfaces()).flatMap((each = []) => each.map(({ address }) => address));
  return { ports, elsewhere, addresses };
}

/** What requests of this process go out by. */
export function createConfiguredDial(config: Config, located?: Partial<EngineEndpoints>): Dial {
  return createDial({
    engines: findOwnEngines(config, located),
    allowed: config.httpAllow,
    proxies: config.proxies,
    trusted: config.caFile?.trusted,
  });
}

/** What definitions of this process are checked by. */
export function findTaskRules(types: TaskTypes, config: Config, located?: Partial<EngineEndpoints>): TaskRules {
  return { types, engines: findOwnEngines(config, located), ...knownConnections(config), ...refusedCommands(config) };
}

/** The worker refuses them once more, by its own setting, when it is to execute one. */
function refusedCommands({ commands }: Config): Pick<TaskRules, "refused" | "refusedOverRest"> {
  if (commands === "all") return {};
  if (commands === "off") return { refused: { command: "commands are off here: ACTCORE_COMMANDS is off" } };
  const command = "commands are taken from definition files only: write it as a file, or set ACTCORE_COMMANDS=all";
  return { refusedOverRest: { command } };
}

/** A process that has none may have been started without those that the worker has. */
function knownConnections({ sqlUrls }: Config): Pick<TaskRules, "connections"> {
  const connections = Object.keys(sqlUrls());
  return connections.length === 0 ? {} : { connections };
}

/** The addresses in a URL, in several that are separated by commas, or in `host:port`, each host as an http URL has it. */
function readAddresses(text: string | undefined, usualPort: number): { host: string; port: number }[] {
  return (text ?? "").split(",").flatMap((each) => {
    const [, authority = ""] = /^(?:[\w+.-]+:\/\/)?(?:[^@/]*@)?([^/?#]*)/.exec(each.trim()) ?? [];
    const url = `http://${authority}`;
    if (authority === "" || !URL.canParse(url)) return [];
    const { hostname } = new URL(url);
    return [{ host: hostname, port: Number(/:(\d+)$/.exec(authority)?.[1] ?? usualPort) }];
  });
}
