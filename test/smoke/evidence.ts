/** What the smoke says: each question with its answer, and what was expected of it. */

export type Evidence = ReturnType<typeof createEvidence>;

export function createEvidence(print: (line: string) => void) {
  let step = 0;
  let passed = 0;
  const failures: string[] = [];
  const unchecked: string[] = [];

  return {
    step: (title: string) => print(`\n${++step}. ${title}`),
    say: (line: string) => print(`   ${line}`),
    /** Goes on when it does not hold: one fault shall not hide the next. */
    check(what: string, holds: boolean, seen: string): void {
      print(`   ${holds ? "ok    " : "FAILED"} ${what}: ${seen}`);
      if (holds) passed++;
      else failures.push(what);
    },
    /** What could not be looked at is no success. */
    notChecked(what: string, why: string): void {
      print(`   ?      not checked: ${what}: ${why}`);
      unchecked.push(what);
    },
    fail(what: string): void {
      print(`   FAILED ${what}`);
      failures.push(what);
    },
    hasFailed: () => failures.length > 0,
    summary(): string {
      const parts = [`${passed} checks passed`, `${failures.length} failed`];
      if (unchecked.length > 0) parts.push(`not checked: ${unchecked.join("; ")}`);
      const result = failures.length === 0 ? "passed" : `FAILED: ${failures.join("; ")}`;
      return `smoke ${result} (${parts.join(", ")})`;
    },
  };
}
