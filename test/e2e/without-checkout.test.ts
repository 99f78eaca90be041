/** The binary on a machine that has no checkout: nothing of node_modules, from which it was built, is there. */
import { expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "../../deploy/build/repository.ts";
import { BINARY, createDirectory, SERVER_TIMEOUT_MS, startServer } from "../support/server.ts";
import { define, envelope, finishedRuns } from "../support/shared-server.ts";

/** Whether a process may be given a file system of its own, in which the folder is empty. */
const canHide =
  Bun.which("unshare") !== null &&
  Bun.spawnSync(["unshare", "-m", "mount", "-t", "tmpfs", "none", join(REPOSITORY, "node_modules")]).exitCode === 0;
if (!canHide) console.warn("the test of the binary without its checkout is skipped: it needs root and unshare");

test.skipIf(!canHide)(
  "a server runs an activity where the packages that it was built from are not there",
  async () => {
    const wrapper = join(createDirectory(), "actcore");
    const hide = `mount -t tmpfs none '${REPOSITORY}/node_modules' && exec '${BINARY}' "$@"`;
    writeFileSync(wrapper, `#!/bin/sh\nexec unshare -m sh -c '${hide.replaceAll("'", `'\\''`)}' sh "$@"\n`);
    chmodSync(wrapper, 0o755);
    const server = await startServer({ binary: wrapper });
    try {
      await server.ready(60_000);
      const { id, type } = await define(server);
      await server.api("/events", { json: envelope(type) });
      expect(await finishedRuns(server, id)).toMatchObject([{ status: "succeeded" }]);
    } finally {
      await server.destroy();
    }
  },
  SERVER_TIMEOUT_MS + 60_000,
);
