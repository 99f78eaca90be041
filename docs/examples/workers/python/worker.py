"""A worker of your own, in Python: does the workflow `RenderReport` that docs/examples/reports.yaml starts.

    pip install temporalio
    TEMPORAL_ADDRESS=127.0.0.1:7233 python worker.py

The address is the one that `actcore serve` prints for Temporal, or that of your own cluster.
"""

import asyncio
import os
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

TASK_QUEUE = "reports"


@activity.defn
async def render(customer: str) -> str:
    if not customer:
        # actcore makes no further try of what cannot get better.
        raise ApplicationError("a report needs a customer", non_retryable=True)
    return f"report of {customer}"


@workflow.defn
class RenderReport:
    @workflow.run
    async def run(self, customer: str) -> dict:
        report = await workflow.execute_activity(
            render, customer, start_to_close_timeout=timedelta(minutes=5)
        )
        # What is answered here is `tasks.KEY.result` for the tasks after this one.
        return {"report": report, "pages": 3}


async def main() -> None:
    client = await Client.connect(os.environ.get("TEMPORAL_ADDRESS", "127.0.0.1:7233"))
    async with Worker(client, task_queue=TASK_QUEUE, workflows=[RenderReport], activities=[render]):
        print(f"working on the queue {TASK_QUEUE}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
