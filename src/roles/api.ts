/** The API: listens from the first moment, so that `/readyz` can say what is missing; answers 503 for what is. */
import { type Address, formatAddress, SETTINGS } from "../config.ts";
import { InvalidInputError, RetryableError } from "../errors.ts";
import { createApp } from "../http/app.ts";
import type { Services } from "../http/services.ts";
import { aborted, type Role } from "../lifecycle.ts";
import { createPublisher } from "../nats/publisher.ts";
import { createDefinitionStore } from "../postgres/definitions.ts";
import { createLedgerReader } from "../postgres/ledger-reader.ts";
import type { Engine } from "../readiness.ts";
import { createRole, type RoleDeps } from "./role.ts";

/** @throws InvalidInputError `port_in_use` */
export function startApi({ config, connections, readiness, log: parent }: RoleDeps): Role {
  const log = parent.child({ role: "api" });
  const reached: { -readonly [K in "definitions" | "ledger" | "events"]?: Services[K] } = {};
  const services: Services = {
    readiness,
    get definitions() {
      return reached.definitions ?? missing("postgres");
    },
    get ledger() {
      return reached.ledger ?? missing("postgres");
    },
    get events() {
      return reached.events ?? missing("nats");
    },
  };
  function missing(engine: Engine): never {
    const why = readiness.report().engines[engine]?.error ?? "not reached yet";
    throw new RetryableError(`${engine}_unavailable`, `${engine} is not there: ${why}`);
  }

  const server = listen(services);
  const role = createRole("api", { readiness, log }, async (signal, running) => {
    const engines = [
      connections.postgres().then(({ db }) => {
        reached.definitions = createDefinitionStore(db);
        reached.ledger = createLedgerReader(db);
      }),
      connections.nats().then((nats) => {
        reached.events = createPublisher(nats);
      }),
      connections.temporal(), // watched for /readyz; nothing here calls it yet
    ];
    running(); // it serves what it can: the engines say the rest
    await Promise.race([Promise.all(engines), aborted(signal)]);
    await aborted(signal);
    await server.stop(); // refuses new connections and resolves when the last answer is out
  });
  return { ...role, close: async () => void server.stop(true) };

  function listen(services: Services) {
    const app = createApp(services, log);
    const { host, port } = config.apiAddr;
    try {
      // http/body.ts bounds each body as it reads; Bun's own refusal would be no problem+json.
      // Without `reusePort: false`, Elysia lets a second server share the port, and each would get some of the requests.
      app.listen({
        hostname: host,
        port,
        reusePort: false,
        maxRequestBodySize: Number.MAX_SAFE_INTEGER,
        idleTimeout: 30,
      });
    } catch (error) {
      throw portError(config.apiAddr, error);
    }
    if (!app.server) throw portError(config.apiAddr, new Error("the listener did not start"));
    return app.server;
  }
}

/** What to do about a listener that did not start. */
function portError(address: Address, error: unknown): unknown {
  if ((error as { code?: string }).code !== "EADDRINUSE") return error;
  const { env, flag } = SETTINGS.apiAddr;
  const message = `${formatAddress(address)}, the address of the API, is in use: move it with ${env} or --${flag}`;
  return new InvalidInputError("a port is in use", [{ path: env, message }], "port_in_use");
}
