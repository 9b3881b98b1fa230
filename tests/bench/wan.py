#!/usr/bin/env python3
"""A TCP relay that makes a loopback connection behave like a long or thin line: round trip, bandwidth, and faults.

  wan.py CONTROL TARGET_PORT      listens on a free port, which it prints

CONTROL is a JSON file, read again whenever it changes:
  {"rtt_ms": 50, "mbit": 20, "mode": "pass"}       mbit 0 = unlimited; mode "pass", "refuse", "stall" or "cut"
"refuse" closes new connections, "stall" accepts and moves nothing, "cut" breaks connections after cut_bytes answered
bytes. CONTROL.stats counts connections and bytes in both directions.

A new connection costs one round trip more, as its handshake would. There is no slow start, so a relay flatters
transfers of some 100 KB on long lines; docs say so where figures are given.
"""
import asyncio
import json
import os
import sys
import time

PIECE = 64 * 1024


class Line:
    def __init__(self, control):
        self.control = control
        self.mtime = 0
        self.settings = {}
        self.stats = {"connections": 0, "up": 0, "down": 0}
        self.free_at = {"up": 0.0, "down": 0.0}  # when the shared line has sent what was given to it
        self.load()

    def load(self):
        try:
            mtime = os.stat(self.control).st_mtime_ns
            if mtime != self.mtime:
                with open(self.control) as f:
                    self.settings = json.load(f)
                self.mtime = mtime
        except (OSError, ValueError):
            pass  # being written: the next look finds it whole

    def get(self, name, default=0):
        return self.settings.get(name, default)

    def arrival(self, direction, size):
        """When bytes given to the line now are at its other end."""
        now = time.monotonic()
        mbit = self.get("mbit")
        busy = max(self.free_at[direction], now)
        if mbit:
            busy += size * 8 / (mbit * 1e6)
        self.free_at[direction] = busy
        return busy + self.get("rtt_ms") / 2000

    def save(self):
        temporary = self.control + ".stats.new"
        with open(temporary, "w") as f:
            json.dump(self.stats, f)
        os.replace(temporary, self.control + ".stats")


async def pump(line, direction, reader, writer):
    queue = asyncio.Queue(maxsize=256)
    moved = 0

    async def deliver():
        while True:
            item = await queue.get()
            if item is None:
                break
            when, data = item
            delay = when - time.monotonic()
            if delay > 0:
                await asyncio.sleep(delay)
            writer.write(data)
            await writer.drain()

    delivery = asyncio.create_task(deliver())
    try:
        while True:
            data = await reader.read(PIECE)
            if not data:
                break
            while line.get("mode", "pass") == "stall":
                await asyncio.sleep(0.05)
            moved += len(data)
            if direction == "down" and line.get("mode") == "cut" and moved > line.get("cut_bytes", 100000):
                break
            line.stats[direction] += len(data)
            await queue.put((line.arrival(direction, len(data)), data))
    finally:
        await queue.put(None)
        try:
            await delivery
        finally:
            writer.close()


async def serve(line, target, reader, writer):
    line.stats["connections"] += 1
    if line.get("mode") == "refuse":
        writer.close()
        return
    await asyncio.sleep(line.get("rtt_ms") / 1000)
    try:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
    except OSError:
        writer.close()
        return
    pumps = [asyncio.create_task(pump(line, "up", reader, far_writer)),
             asyncio.create_task(pump(line, "down", far_reader, writer))]
    done, pending = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    if line.get("mode") == "cut":
        for task in pending:
            task.cancel()
    await asyncio.gather(*pumps, return_exceptions=True)
    writer.close()


async def main():
    line = Line(sys.argv[1])
    target = int(sys.argv[2])
    server = await asyncio.start_server(lambda r, w: serve(line, target, r, w), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while True:
        await asyncio.sleep(0.05)
        line.load()
        line.save()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
