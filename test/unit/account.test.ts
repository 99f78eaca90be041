/** Who a process is, which decides what runs as whom. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { findAccount, ownAccount } from "../../src/processes/account.ts";

const FILE = join(import.meta.dir, "../../src/processes/account.ts");

test("a process is the account of its number, whatever its environment says", async () => {
  const code = `import(${JSON.stringify(FILE)}).then(async ({ ownAccount }) => console.log(JSON.stringify(await ownAccount())))`;
  const env = { HOME: "/somewhere", USER: "daemon", LOGNAME: "daemon", PATH: "/usr/bin:/bin" };
  const { stdout } = Bun.spawnSync([process.execPath, "-e", code], { env });
  const own = await ownAccount();
  expect(JSON.parse(stdout.toString())).toEqual(own);
  expect(own.uid).toBe(process.getuid?.() as number);
  expect(await findAccount(own.name)).toEqual(own);
  expect(own.name).not.toBe("daemon");
});
