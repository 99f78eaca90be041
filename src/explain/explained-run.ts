/** A run in an explanation: what became of it, as data and as a part of a sentence. Pure. */
import { type Static, Type } from "@sinclair/typebox";
import { formatDuration } from "../calendar/duration.ts";
import { GATE_REASONS, type GateReason } from "../flow/gate.ts";
import { inOneLine } from "../kernel/printable.ts";
import { RunSummary } from "./run-view.ts";

export const ExplainedRun = Type.Pick(
  RunSummary,
  [
    ...(["run_id", "trigger", "status", "reason", "detail", "error", "scheduled_for", "event_id"] as const),
    ...(["fired_at", "finished_at", "version_used", "rerun_of"] as const),
  ],
  { title: "ExplainedRun" },
);
export type ExplainedRun = Static<typeof ExplainedRun>;

/** Characters of an error or a detail that a sentence has; the data has all of it. */
const MAX_SHOWN = 300;

/** Why something is so, in words, and what can be done about it. */
export interface Told {
  said: string;
  /** What to do, where something can be done. */
  todo?: string;
}

/** A sentence of the parts. */
export function toSentence({ said, todo }: Told): string {
  return `${said}${todo === undefined ? "" : `; ${todo}`}.`;
}

/** What was told, and how the newest of the runs stands that repeat it; what could be done about the first one is done then. */
export function withRepeat<T extends Told>({ todo, ...told }: T, [newest]: readonly ExplainedRun[]) {
  if (newest === undefined) return { ...told, ...(todo !== undefined && { todo }) };
  const { said, todo: next } = tellRun(newest);
  const repeated = `${told.said}; it was repeated as run ${newest.run_id}, which ${said}`;
  return { ...told, said: repeated, ...(next !== undefined && { todo: next }) };
}

/**
 * How a run ended, or how it stands: what follows after "its run RUN".
 * @param wait what one that waits for its turn waits for, in words
 */
export function tellRun(run: ExplainedRun, wait?: string): Told {
  const { run_id, status, reason, detail, error, fired_at, finished_at } = run;
  const took = finished_at === null ? "" : ` after ${formatElapsed(Date.parse(finished_at) - Date.parse(fired_at))}`;
  switch (status) {
    case "succeeded":
      return { said: `succeeded${took}` };
    case "queued":
      return { said: `waits ${wait ?? `for its turn since ${fired_at}`}` };
    case "running":
      return { said: `has been running since ${fired_at}`, todo: `GET /runs/${run_id} says which task it is at` };
    case "failed":
      return {
        said: `failed${took}: ${shorten(error ?? reason ?? "its tasks say why")}`,
        todo: `when the cause is mended, POST /runs/${run_id}/rerun with {"from": "failed"} does what is left`,
      };
    case "cancelled":
      return {
        said: `was cancelled${took}`,
        todo: `POST /runs/${run_id}/rerun runs it again`,
      };
    case "skipped":
      return tellSkipped(reason, detail);
  }
}

/** Why a run that was claimed did nothing. */
function tellSkipped(reason: string | null, detail: string | null): Told {
  if (isGateReason(reason)) return { said: `was skipped, because ${shorten(detail ?? reason)}` };
  if (reason === "condition")
    return {
      said: `was skipped, because the condition (when) of the definition does not hold: ${shorten(detail ?? "")}`,
    };
  const known = reason === null ? undefined : SKIPPED[reason];
  if (known !== undefined) return known;
  return { said: `was skipped: ${shorten([reason, detail].filter((part) => part !== null).join(", "))}` };
}

function isGateReason(reason: string | null): reason is GateReason {
  return GATE_REASONS.some((known) => known === reason);
}

const SKIPPED: Readonly<Record<string, Told>> = {
  disabled: {
    said: "was skipped, because the definition was disabled when the run began",
    todo: "enable the definition first, and then trigger it by hand",
  },
  deleted: { said: "was skipped, because the definition was deleted before the run began" },
};

/** A time that was measured, without the small parts that nobody asks for. */
export function formatElapsed(ms: number): string {
  const partMs = ms < 10_000 ? 1 : ms < 3_600_000 ? 1_000 : 60_000;
  return formatDuration(Math.max(0, Math.round(ms / partMs) * partMs));
}

/** A text of somebody else, short enough for a sentence, without its own full stop. */
export function shorten(text: string): string {
  const line = inOneLine(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 3)}...` : text);
  return line.toWellFormed().replace(/\.$/, "");
}
