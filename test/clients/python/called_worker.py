"""usage: called_worker.py ADDRESS QUEUE    Workflows that end in each way, for the tests of `workflow` tasks; runs until it is killed."""

import asyncio
import sys
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker


@workflow.defn
class Echo:
    @workflow.run
    async def run(self, value: Any) -> Any:
        return value


@workflow.defn
class Broken:
    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("the disk is full", type="DiskFull")


@workflow.defn
class Large:
    @workflow.run
    async def run(self, characters: int) -> str:
        return "x" * characters


@workflow.defn
class Bytes:
    @workflow.run
    async def run(self) -> bytes:
        return b"\x00\xff"


@workflow.defn
class Slow:
    """Tidies up when it is cancelled."""

    @workflow.run
    async def run(self) -> str:
        await asyncio.sleep(3600)
        return "slept"


async def main(address: str, queue: str) -> None:
    client = await Client.connect(address)
    async with Worker(client, task_queue=queue, workflows=[Echo, Broken, Large, Bytes, Slow]):
        print("working", flush=True)
        await asyncio.Event().wait()


# The sandbox of workflows imports this file again.
if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
