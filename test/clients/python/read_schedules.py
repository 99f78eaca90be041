"""Reads schedules with Temporal's Python SDK and prints them as JSON, by id; null for one that is not there.

Usage: read_schedules.py HOST SCHEDULE_ID...
"""

import asyncio
import json
import os
import sys

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode


def ranges(field):
    return [[each.start, max(each.start, each.end), max(1, each.step)] for each in field]


def calendar(spec):
    return {
        "year": ranges(spec.year),
        "month": ranges(spec.month),
        "day": ranges(spec.day_of_month),
        "weekday": ranges(spec.day_of_week),
        "hour": ranges(spec.hour),
        "minute": ranges(spec.minute),
        "second": ranges(spec.second),
    }


async def read(client: Client, schedule_id: str):
    try:
        description = await client.get_schedule_handle(schedule_id).describe()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return None
        raise
    schedule = description.schedule
    decode = client.data_converter.decode
    return {
        "timezone": schedule.spec.time_zone_name,
        "calendars": [calendar(each) for each in schedule.spec.calendars],
        "intervals": [
            [each.every.total_seconds(), each.offset.total_seconds() if each.offset else 0]
            for each in schedule.spec.intervals
        ],
        "jitter": schedule.spec.jitter.total_seconds() if schedule.spec.jitter else 0,
        "overlap": schedule.policy.overlap.name,
        "catchup_window": schedule.policy.catchup_window.total_seconds(),
        "paused": schedule.state.paused,
        "note": schedule.state.note,
        "limited": schedule.state.limited_actions,
        "remaining": schedule.state.remaining_actions,
        "workflow": schedule.action.workflow,
        "workflow_id": schedule.action.id,
        "task_queue": schedule.action.task_queue,
        "args": await decode(schedule.action.args),
        "memo": await description.memo(),
        "search_attributes": {pair.key.name: pair.value for pair in description.typed_search_attributes},
        "action_search_attributes": {
            pair.key.name: pair.value for pair in schedule.action.typed_search_attributes
        },
        "next": [each.isoformat() for each in description.info.next_action_times],
    }


async def main(host: str, *schedule_ids: str) -> None:
    client = await Client.connect(host)
    print(json.dumps({schedule_id: await read(client, schedule_id) for schedule_id in schedule_ids}))


asyncio.run(main(*sys.argv[1:]))
sys.stdout.flush()
# The SDK's native threads race with the interpreter's end, which now and then aborts: there is nothing left to do.
os._exit(0)
