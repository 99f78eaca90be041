"""Publishes one message with nats-py: publish.py NATS_URL SUBJECT JSON."""

import asyncio
import sys

import nats


async def main(url: str, subject: str, message: str) -> None:
    connection = await nats.connect(url)
    ack = await connection.jetstream().publish(subject, message.encode())
    print(ack.stream)
    await connection.close()


asyncio.run(main(*sys.argv[1:]))
