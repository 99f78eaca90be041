"""Starts RunActivityWorkflow with Temporal's Python SDK, waits for it and prints its result as JSON.

Usage: start_run.py HOST WORKFLOW_ID ACTIVITY_ID TRIGGER_EVENT_JSON
"""

import asyncio
import json
import os
import sys

from temporalio.client import Client


async def main(host: str, workflow_id: str, activity_id: str, trigger_event: str) -> None:
    client = await Client.connect(host)
    result = await client.execute_workflow(
        "RunActivityWorkflow",
        args=[activity_id, json.loads(trigger_event)],
        id=workflow_id,
        task_queue="orchestrator-tq",
    )
    print(json.dumps(result))


asyncio.run(main(*sys.argv[1:]))
sys.stdout.flush()
# The SDK's native threads race with the interpreter's end, which now and then aborts: there is nothing left to do.
os._exit(0)
