/** Accounts of this host, and how a command is run by another one than this process is. */
import { accessSync, constants, readFileSync } from "node:fs";

export interface Account {
  name: string;
  uid: number;
  gid: number;
  /** Its home directory, which need not exist. */
  home: string;
}

/**
 * Who this process is, by its number alone: the variables HOME and USER may be those of whoever started it. By that number too
 * where no account has it, as in many containers.
 */
export async function ownAccount(): Promise<Account> {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const find = (passwd: string) => parseAccounts(passwd).find((account) => account.uid === uid);
  return find(readPasswdFile()) ?? find(await readPasswd(String(uid))) ?? { name: String(uid), uid, gid, home: "/" };
}

/** How long a directory service may take to answer. */
const LOOKUP_MS = 10_000;

/** Undefined where there is none. Accounts of directory services are found by `getent`. */
export async function findAccount(name: string): Promise<Account | undefined> {
  return parseAccounts(await readPasswd(name)).find((account) => account.name === name);
}

async function readPasswd(name: string): Promise<string> {
  try {
    const getent = Bun.spawn(["getent", "passwd", "--", name], {
      stdio: ["ignore", "pipe", "ignore"],
      timeout: LOOKUP_MS,
      killSignal: "SIGKILL",
    });
    return await new Response(getent.stdout).text();
  } catch {
    return readPasswdFile();
  }
}

/** Empty where there is none. */
function readPasswdFile(): string {
  try {
    return readFileSync("/etc/passwd", "utf8");
  } catch {
    return "";
  }
}

function parseAccounts(passwd: string): Account[] {
  return passwd.split("\n").flatMap((line) => {
    const [name = "", , uid = "", gid = "", , home = ""] = line.split(":");
    return name !== "" && /^\d+$/.test(uid) ? [{ name, uid: Number(uid), gid: Number(gid), home: home || "/" }] : [];
  });
}

const SETPRIV = ["/usr/bin/setpriv", "/bin/setpriv", "/usr/sbin/setpriv", "/sbin/setpriv"];

/** What stands before a command that the account is to run, with all its groups; undefined where this host has no `setpriv`. */
export function switchTo({ name, gid }: Account): string[] | undefined {
  const setpriv = SETPRIV.find(isExecutable);
  if (setpriv === undefined) return undefined;
  return [setpriv, `--reuid=${name}`, `--regid=${gid}`, "--init-groups", "--"];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
