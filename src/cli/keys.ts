/** `actcore keys create | list | revoke`: straight on the database, so that the first key needs no key. */
import { issueKey, readKeyRequest } from "../access/key-request.ts";
import type { KeyStore, KeyView, NewKey } from "../access/key-store.ts";
import { migrations } from "../generated/migrations.ts";
import type { Config } from "../kernel/config.ts";
import { InvalidInputError } from "../kernel/errors.ts";
import { isUuid } from "../kernel/stable-id.ts";
import { createKeyStore } from "../postgres/access/key-store.ts";
import { migrate } from "../postgres/migrate.ts";
import { type CommandContext, usageError } from "./command.ts";
import { withDatabase } from "./database.ts";
import { formatTable } from "./table.ts";

type Context = Pick<CommandContext, "config" | "print" | "json" | "args">;

const CONTEXT = { actor: "cli" };
/** Keys of one query: the list goes on until all are printed. */
const PAGE = 500;

/** @throws InvalidInputError `usage`; TerminalError `name_taken`; what `withDatabase` throws */
export function runKeysCreate({ config, print, json, args }: Context): Promise<number> {
  const request = readRequest(args);
  return withKeys(config, async (keys) => {
    const first = !(await keys.anyMade());
    const { key, ...view } = await issueKey(keys, request, CONTEXT);
    if (json) print(JSON.stringify({ key, ...view }));
    else {
      print(`key      ${key}`);
      print(`id       ${view.key_id}`);
      print(`name     ${view.name}`);
      print(`scopes   ${view.scopes.join(",")}`);
      print(`expires  ${view.expires_at ?? "never"}`);
      print("Keep the key: it is shown only now. It is sent as `Authorization: Bearer KEY`.");
      if (first) print("It is the first one: from now on the API asks for a key on loopback too.");
    }
    return 0;
  });
}

/** @throws what `withDatabase` throws */
export function runKeysList({ config, print, json }: Context): Promise<number> {
  return withKeys(config, async (keys) => {
    const all: KeyView[] = [];
    for (let page = await keys.list({ limit: PAGE }); page.length > 0; ) {
      all.push(...page);
      page = page.length < PAGE ? [] : await keys.list({ limit: PAGE, after: (page.at(-1) as KeyView).key_id });
    }
    if (json) print(JSON.stringify(all));
    else for (const line of formatTable([HEADER, ...all.map(toRow)])) print(line);
    return 0;
  });
}

/** @throws InvalidInputError `usage`; TerminalError `not_found`; what `withDatabase` throws */
export function runKeysRevoke({ config, print, args }: Context): Promise<number> {
  const keyId = args.KEY_ID ?? "";
  if (!isUuid(keyId))
    throw usageError([{ path: "KEY_ID", message: `expected the id of a key, received ${keyId}` }], "keys list");
  return withKeys(config, async (keys) => {
    const { name, revoked_at } = await keys.revoke(keyId, CONTEXT);
    print(`${name} is revoked since ${revoked_at}`);
    return 0;
  });
}

/** On a schema that has the tables: keys may be made before the first server starts. */
function withKeys(config: Config, body: (keys: KeyStore) => Promise<number>): Promise<number> {
  return withDatabase(config, "keys", async ({ sql, db }) => {
    await migrate(sql, migrations);
    return body(createKeyStore(db));
  });
}

function readRequest({ name, scopes = "", "expires-in": expires_in }: Context["args"]): NewKey {
  const list = scopes.split(",").map((scope) => scope.trim());
  // A number of seconds is a number, as in JSON.
  const duration = /^\d+$/.test(expires_in ?? "") ? Number(expires_in) : expires_in;
  try {
    return readKeyRequest({ name, scopes: list, ...(duration !== undefined && { expires_in: duration }) });
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    throw usageError(
      error.faults.map(({ path, message }) => ({ path: `--${path.split("/")[1]?.replaceAll("_", "-")}`, message })),
      "help keys create",
    );
  }
}

const HEADER = ["ID", "NAME", "STATE", "SCOPES", "CREATED", "EXPIRES", "LAST USED"];

function toRow({ key_id, name, scopes, created_at, expires_at, last_used_at, revoked_at }: KeyView): string[] {
  const expired = expires_at !== null && Date.parse(expires_at) <= Date.now();
  const state = revoked_at !== null ? "revoked" : expired ? "expired" : "live";
  return [key_id, name, state, scopes.join(","), created_at, expires_at ?? "never", last_used_at ?? "never"];
}
