/** A run as it is read, for the API's documents: one of docs/examples/onboarding.yaml. */

const ACTIVITY = "019c1384-55d0-7000-8000-000000000001";
const task = (n: number, key: string, instance: number | null) => ({
  task_id: `019c1384-5dc8-8000-8000-00000000000${n}`,
  idempotency_key: `6f1d2c3b-4a59-8000-8000-00000000000${n}`,
  ...{ key, instance, type: "http", status: "succeeded", attempts: 1, error: null },
  ...{ created_at: "2026-01-31T09:30:02.140Z", started_at: "2026-01-31T09:30:02.150Z" },
  ...{
    finished_at: "2026-01-31T09:30:02.190Z",
    duration_ms: 40,
    run_on: null,
    due_at: null,
    assignee: null,
    taken_from: null,
  },
  ...{ retried: 0, cancel_requested_at: null, requested_by: null },
});

export const RUN_EXAMPLE = {
  run_id: "019c1384-5dc8-7000-8000-000000000001",
  activity_id: ACTIVITY,
  activity_name: "onboard-teams",
  ...{ trigger: "event", status: "succeeded", reason: null, detail: null, scheduled_for: null },
  ...{ fired_at: "2026-01-31T09:30:02.000Z", finished_at: "2026-01-31T09:30:02.260Z", duration_ms: 260 },
  ...{ event_id: "signup-1", event_ids: ["signup-1"] },
  trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
  workflow_id: `activity-${ACTIVITY}:signup-1`,
  ...{
    version_used: 3,
    tasks_spawned: 2,
    error: null,
    rerun_of: null,
    rerun_from: null,
    reopened: 0,
    reopened_at: null,
  },
  context_snapshot: { account: { active: true, contacts: [{ email: "ada@example.org" }, { email: "" }] } },
  context: [
    { name: "account", type: "http", status: "ok", duration_ms: 82, attempts: 1, bytes: 73, code: null, error: null },
  ],
  templates: [
    {
      ...{ key: "mail", outcome: "made", count: 1, left_out: 1, cause: null },
      reason: 'item 1: item.email is "": item.email != "" is false',
      tasks_by_status: { succeeded: 1 },
    },
    {
      ...{ key: "report", outcome: "made", count: 1, left_out: null, cause: null, reason: null },
      tasks_by_status: { succeeded: 1 },
    },
  ],
  tasks: [task(1, "mail", 0), task(2, "report", null)],
  tasks_not_shown: 0,
  outcome_event: null,
};
