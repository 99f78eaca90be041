/**
 * Ends the process groups of a worker that was killed. A small shell in a session of its own reads, from a pipe whose other end only
 * the worker holds, which groups there are. When the worker is gone, however that came, the pipe ends, and the shell ends what is
 * left of them: SIGTERM, and SIGKILL some seconds later.
 */
import { closeSync, writeSync } from "node:fs";
import { openPipe } from "./descriptors.ts";

/** How long a group has after SIGTERM, in seconds. */
const GRACE_S = 4;

const SCRIPT = `
trap '' HUP INT QUIT TERM PIPE
groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
signal() {
  left=' '
  for group in $groups; do kill -s "$1" -- "-$group" 2>/dev/null && left="$left$group "; done
  groups=$left
}
signal TERM
signal CONT
for second in ${Array.from({ length: GRACE_S }, (_, at) => at + 1).join(" ")}; do
  [ "$groups" = ' ' ] && exit
  sleep 1
  signal 0
done
signal KILL`;

export interface Guard {
  /** From now on the group is ended when this process is gone. */
  add(group: number): void;
  /** The group is empty: its number may soon be that of another one. */
  remove(group: number): void;
  close(): void;
}

/** Begins with the first group. */
export function createGuard(): Guard {
  const groups = new Set<number>();
  let pipe: number | undefined;

  function start(): void {
    const { read, write } = openPipe();
    const shell = Bun.spawn(["/bin/sh", "-c", SCRIPT, "actcore-guard"], {
      stdio: [read, "ignore", "ignore"],
      cwd: "/",
      env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
      detached: true,
    });
    shell.unref();
    closeSync(read);
    pipe = write;
    for (const group of groups) tell(`+ ${group}`);
    void shell.exited.then(() => replace(write));
  }

  /** Somebody ended it: another one takes over, or else the next group begins one. */
  function replace(write: number): void {
    if (pipe !== write) return;
    close();
    if (groups.size === 0) return;
    try {
      start();
    } catch {
      // No process or no descriptor is to be had now.
    }
  }

  function tell(line: string): void {
    try {
      if (pipe !== undefined) writeSync(pipe, `${line}\n`);
    } catch {
      // It was ended just now; the next one is told of all groups.
    }
  }

  function close(): void {
    if (pipe !== undefined) closeSync(pipe);
    pipe = undefined;
  }

  return {
    add(group) {
      groups.add(group);
      if (pipe === undefined) start();
      else tell(`+ ${group}`);
    },
    remove(group) {
      if (groups.delete(group)) tell(`- ${group}`);
    },
    close,
  };
}
