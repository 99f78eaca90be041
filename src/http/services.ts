/** What the API's routes work with; roles/api.ts makes it. */
import type { AuditReader } from "../access/audit.ts";
import type { KeyStore } from "../access/key-store.ts";
import type { OwnEngines } from "../definition/destination.ts";
import type { EventTypeReader } from "../definition/event-type.ts";
import type { DefinitionStore } from "../definition/store.ts";
import type { DueTimeReader } from "../ledger/due-times.ts";
import type { LedgerReader } from "../ledger/reader.ts";
import type { ScheduleReader } from "../ledger/schedule.ts";
import type { SkippedReader } from "../ledger/skipped-due-times.ts";
import type { Readiness } from "../readiness.ts";
import type { SyncService } from "../sync/service.ts";
import type { RunControl } from "../trigger/control.ts";
import type { CheckedPublisher } from "../trigger/event/checked-publisher.ts";

/** Each getter throws RetryableError while its engine was never reached; the answer is then 503. */
export interface Services {
  readonly definitions: DefinitionStore;
  readonly eventTypes: EventTypeReader;
  readonly ledger: LedgerReader;
  readonly dueTimes: DueTimeReader;
  readonly skippedDueTimes: SkippedReader;
  readonly schedules: ScheduleReader;
  readonly events: CheckedPublisher;
  readonly control: RunControl;
  readonly keys: KeyStore;
  readonly audit: AuditReader;
  readonly sync: SyncService;
  /** What no http task may call. */
  readonly engines: OwnEngines;
  readonly readiness: Readiness;
}
