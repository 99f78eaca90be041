/**
 * Postgres refuses to run as root. Below root it runs as another user, who must be able to reach its files.
 */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { TerminalError } from "../kernel/errors.ts";

export interface UnprivilegedUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const CANDIDATES = ["actcore", "postgres", "nobody"];

/**
 * The user for Postgres; undefined when we are not root and it runs as ourselves. An existing data directory keeps
 * its owner: a user added later must not lock Postgres out of its own data.
 * @throws TerminalError `no_unprivileged_user`
 */
export function chooseUser(existingData: string | undefined, passwd = "/etc/passwd"): UnprivilegedUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync(passwd, "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .map(([name = "", , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
    .filter(({ name, uid }) => name !== "" && uid > 0);
  if (existingData !== undefined) {
    const { uid, gid } = statSync(existingData);
    if (uid !== 0) return users.find((user) => user.uid === uid) ?? { name: `uid ${uid}`, uid, gid };
  }
  const [user] = CANDIDATES.flatMap((candidate) => users.find(({ name }) => name === candidate) ?? []);
  if (user !== undefined) return user;
  throw new TerminalError("no_unprivileged_user", "Postgres cannot run as root, and there is no other user for it", {
    hint: `Run actcore as another user, or add one of the users ${CANDIDATES.join(", ")}`,
  });
}

/**
 * Checks that the user may pass through every directory above `path` (which need not exist).
 * @throws TerminalError `directory_unreachable`, naming the directory that stops it and the variable to set
 */
export function checkReachable(user: UnprivilegedUser, path: string, variable: string): void {
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    const real = realpathSync(directory);
    const { mode, uid, gid } = statSync(real);
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) {
      throw new TerminalError(
        "directory_unreachable",
        `Postgres runs as user ${user.name} below root, and that user cannot enter ${real}, which is above ${path}`,
        { hint: `Choose a directory outside of it with ${variable}, or let others pass: chmod o+x ${real}` },
      );
    }
    if (directory === dirname(directory)) return;
  }
}
