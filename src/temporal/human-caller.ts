/** Lets the workflow of a person's task look at the ledger. */
import { LOOK_AGAIN } from "../run/human.ts";
import type { HumanCaller } from "../run/human-ledger.ts";
import { taskWorkflowId } from "../run/run.ts";
import type { Temporal } from "./connection.ts";
import { GRPC, ignoring } from "./grpc.ts";

export function createHumanCaller({ client, ask }: Temporal): HumanCaller {
  return {
    async lookAgain(taskId) {
      const handle = client.workflow.getHandle(taskWorkflowId(taskId));
      const told = await ask(async () => {
        await handle.signal(LOOK_AGAIN);
        return true;
      }).catch(ignoring(GRPC.notFound));
      return told ?? false;
    },
  };
}
