/**
 * The ports that the embedded engines listen on, and the check that all of them are free.
 *
 * Temporal's inner ports follow from its frontend's by Temporal's own default numbering (7233, 7234, 6933 …). They are
 * fixed on purpose: Temporal keeps its members' addresses in its database, and after a hard kill another numbering
 * would find the dead ones there.
 */
import { createServer } from "node:net";
import type { EnginePorts } from "../kernel/config.ts";
import { type Fault, InvalidInputError } from "../kernel/errors.ts";
import { SETTINGS } from "../kernel/settings.ts";
import { listenerOf } from "../processes/process-table.ts";
import type { EngineName } from "./engine-status.ts";

export const LOOPBACK = "127.0.0.1";

/** Offsets from Temporal's frontend port. */
export const TEMPORAL_SERVICES = {
  frontend: { rpc: 0, membership: -300 },
  history: { rpc: 1, membership: -299 },
  matching: { rpc: 2, membership: -298 },
  worker: { rpc: 6, membership: -294 },
} as const;

/** Temporal keeps the membership ports of its services in a column of 16 bits with a sign. */
const HIGHEST_MEMBERSHIP_PORT = 32_767;
const membershipOffsets = Object.values(TEMPORAL_SERVICES).map(({ membership }) => membership);
/** Which frontend ports leave room for the ports that follow from them. */
export const TEMPORAL_PORT_RANGE = {
  from: 1 - Math.min(...membershipOffsets),
  to: HIGHEST_MEMBERSHIP_PORT - Math.max(...membershipOffsets),
} as const;

export interface PortNeed {
  readonly port: number;
  /** For a person: "Postgres", "Temporal (history)". */
  readonly use: string;
  /** The variable that moves it. */
  readonly variable: string;
  /** Where not every port will do, because others follow from it. */
  readonly range?: { readonly from: number; readonly to: number };
}

/** The ports of the wanted engines. Of each engine, the port by which it is reached comes first. */
export function neededPorts(ports: EnginePorts, wanted: readonly EngineName[]): PortNeed[] {
  const needs: Record<EngineName, PortNeed[]> = {
    postgres: [{ port: ports.postgresPort, use: "Postgres", variable: SETTINGS.postgresPort.env }],
    nats: [
      { port: ports.natsPort, use: "NATS", variable: SETTINGS.natsPort.env },
      { port: ports.natsMonitorPort, use: "NATS monitoring", variable: SETTINGS.natsMonitorPort.env },
    ],
    temporal: Object.entries(TEMPORAL_SERVICES).flatMap(([service, offsets]) =>
      Object.entries(offsets).map(([kind, offset]) => ({
        port: ports.temporalPort + offset,
        use: offset === 0 ? "Temporal" : `Temporal (${service}${kind === "rpc" ? "" : `, ${kind}`})`,
        variable: SETTINGS.temporalPort.env,
        ...(offset === 0 && { range: TEMPORAL_PORT_RANGE }),
      })),
    ),
    "temporal-ui": [{ port: ports.temporalUiPort, use: "Temporal Web UI", variable: SETTINGS.temporalUiPort.env }],
  };
  return wanted.flatMap((name) => needs[name]);
}

/**
 * Checks all at once.
 * @throws InvalidInputError `port_in_use`, a fault per port that is occupied, asked for twice or out of range
 */
export async function checkPorts(needs: readonly PortNeed[]): Promise<void> {
  const faults = await Promise.all(
    needs.map(async (need): Promise<Fault[]> => {
      const message = await findFault(need, needs);
      return message === undefined ? [] : [{ path: need.variable, message }];
    }),
  );
  const found = faults.flat();
  if (found.length > 0) {
    const message =
      found.length === 1
        ? "a port of the embedded engines cannot be used"
        : "ports of the embedded engines cannot be used";
    throw new InvalidInputError(message, found, "port_in_use");
  }
}

/** Why the port cannot be used; undefined when it can. */
async function findFault(need: PortNeed, needs: readonly PortNeed[]): Promise<string | undefined> {
  const { port, use, range } = need;
  if (range !== undefined && (port < range.from || port > range.to))
    return `expected a port from ${range.from} to ${range.to} for ${use}, because its other ports follow from it; received ${port}`;
  if (port < 1 || port > 65_535) return `port ${port}, needed by ${use}, does not exist`;
  const first = needs.find((other) => other.port === port);
  if (first !== need && first !== undefined) return `port ${port} is needed by ${first.use} and by ${use}`;
  const code = await tryToListen(port);
  if (code === undefined) return undefined;
  if (code !== "EADDRINUSE") return `port ${port}, needed by ${use}, cannot be opened: ${code}`;
  const holder = listenerOf(port);
  return `port ${port}, needed by ${use}, is in use${holder === undefined ? "" : ` by ${holder}`}`;
}

/** Answers the error code, undefined when the port is free. */
function tryToListen(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host: LOOPBACK, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
