/** What the API's routes work with; roles/api.ts makes it. */
import type { AuditReader } from "../access/audit.ts";
import type { KeyStore } from "../access/key-store.ts";
import type { DefinitionStore } from "../definition/store.ts";
import type { CheckedPublisher } from "../dispatch/checked-publisher.ts";
import type { EventTypeReader } from "../event/event-type.ts";
import type { ExpectationReader } from "../explain/definition-view.ts";
import type { DueTimeReader } from "../explain/due-time-views.ts";
import type { ExplainReader } from "../explain/explain-reader.ts";
import type { LedgerReader } from "../explain/ledger-reader.ts";
import type { ScheduleReader } from "../explain/schedule-view.ts";
import type { SkippedReader } from "../explain/skipped-due-times.ts";
import type { UnmatchedReader } from "../explain/unmatched-types.ts";
import type { WaitingReader } from "../explain/waiting-view.ts";
import type { HookStore } from "../hook/hook-store.ts";
import type { HookReceiver } from "../hook/receiver.ts";
import type { Retention } from "../kernel/config.ts";
import type { Readiness } from "../kernel/readiness.ts";
import type { RunControl } from "../occurrence/control.ts";
import type { TaskControl } from "../occurrence/task-control.ts";
import type { DryRuns } from "../rehearsal/dry-run.ts";
import type { WhatIf } from "../rehearsal/what-if.ts";
import type { ActivityReplays } from "../replay/activity-replay.ts";
import type { EventReplays } from "../replay/event-replay.ts";
import type { LetterDesk } from "../replay/letter-desk.ts";
import type { QueueInspector } from "../run/engine.ts";
import type { HumanDesk } from "../run/human-desk.ts";
import type { SyncService } from "../sync/service.ts";
import type { TaskRules } from "../task/task-type.ts";

/** To read a part whose engine was never reached throws RetryableError; the answer is then 503. */
export interface Services {
  readonly definitions: DefinitionStore;
  readonly expectations: ExpectationReader;
  readonly eventTypes: EventTypeReader;
  readonly hooks: HookStore;
  readonly hookReceiver: HookReceiver;
  readonly ledger: LedgerReader;
  readonly dueTimes: DueTimeReader;
  readonly skippedDueTimes: SkippedReader;
  readonly waiting: WaitingReader;
  readonly explanations: ExplainReader;
  readonly unmatched: UnmatchedReader;
  readonly schedules: ScheduleReader;
  readonly queues: QueueInspector;
  readonly events: CheckedPublisher;
  readonly control: RunControl;
  readonly letterDesk: LetterDesk;
  readonly replays: { event: EventReplays; activity: ActivityReplays };
  readonly humans: HumanDesk;
  readonly taskControl: TaskControl;
  readonly keys: KeyStore;
  readonly audit: AuditReader;
  readonly sync: SyncService;
  readonly dryRuns: DryRuns;
  readonly whatIf: WhatIf;
  /** How long what is explained is kept. */
  readonly retention: Retention;
  /** What definitions are checked by. */
  readonly rules: TaskRules;
  readonly readiness: Readiness;
}
