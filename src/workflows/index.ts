export { RunActivityWorkflow } from "./run-activity.ts";
