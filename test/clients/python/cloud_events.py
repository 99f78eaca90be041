"""Sends CloudEvents with the SDK: cloud_events.py API_URL NATS_URL TYPE. Prints what each was answered, one JSON for all."""

import asyncio
import json
import sys
import urllib.request

import nats
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent


def event(type: str, id: str, data, **more) -> CloudEvent:
    attributes = {"id": id, "source": "/python", "type": type, "datacontenttype": "application/json", "tenant": "blü 100%"}
    return CloudEvent({**attributes, **more}, data)


def post(api: str, headers: dict, body: bytes) -> dict:
    with urllib.request.urlopen(urllib.request.Request(api + "/events", body, headers)) as answer:
        return {"status": answer.status, "body": json.load(answer)}


async def main(api: str, url: str, type: str) -> None:
    answers = {}
    structured = to_structured_event(event(type, f"{type}-structured", {"n": 1}))
    answers["structured"] = post(api, structured.headers, structured.body)
    binary = to_binary_event(event(type, f"{type}-binary", {"n": 2}))
    answers["binary"] = post(api, binary.headers, binary.body)
    picture = to_binary_event(event(type, f"{type}-bytes", b"\x00\xff", datacontenttype="image/png"))
    answers["bytes"] = post(api, picture.headers, picture.body)

    texts = [JSONFormat().write(event(type, f"{type}-batch-{n}", {"n": n})) for n in range(2)]
    batch = b"[" + b",".join(texts) + b"]"
    answers["batch"] = post(api, {"content-type": "application/cloudevents-batch+json"}, batch)

    connection = await nats.connect(url)
    jetstream = connection.jetstream()
    subject = "activity.python"
    structured = to_structured_event(event(type, f"{type}-nats-structured", {"n": 3}))
    await jetstream.publish(subject, structured.body, headers=structured.headers)
    bare = to_structured_event(event(type, f"{type}-nats-bare", {"n": 4}))
    await jetstream.publish(subject, bare.body)
    binary = to_binary_event(event(type, f"{type}-nats-binary", {"n": 5}))
    headers = {name: value for name, value in binary.headers.items() if name != "content-type"}
    await jetstream.publish(subject, binary.body, headers={**headers, "ce-datacontenttype": "application/json"})
    await connection.close()
    print(json.dumps(answers))


asyncio.run(main(*sys.argv[1:]))
