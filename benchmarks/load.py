"""Watches a multipart MJPEG stream with many viewers at once: python -m benchmarks.load URL VIEWERS STALLED SECONDS.

Prints JSON: the frame rates of the viewers, the 99th percentile of the gaps between frames, and percentiles of the
latency, from the moment when a frame left its source (X-Timestamp) to its arrival, in milliseconds.
"""

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit

import numpy as np

STAMP = b"X-Timestamp: "
STAMP_LENGTH = len(STAMP) + len("1700000000.000000")


async def connect(url):
    reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=1 << 20)
    writer.write(f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
    return reader, writer


async def view(url, end, seen):
    """Read until the end, and add (arrival, stamp) of each frame to `seen`."""
    reader, writer = await connect(url)
    text = b""
    while (left := end - time.time()) > 0:
        try:
            chunk = await asyncio.wait_for(reader.read(1 << 18), left)
        except TimeoutError:
            break
        if not chunk:
            break
        now, text, start = time.time(), text + chunk, 0
        while (found := text.find(STAMP, start)) >= 0 and found + STAMP_LENGTH <= len(text):
            start = found + STAMP_LENGTH
            seen.append((now, float(text[found + len(STAMP) : start])))
        text = text[max(start, len(text) - STAMP_LENGTH) :]
    writer.close()


async def stall(url, end):
    """Ask for the stream and never read it."""
    _, writer = await connect(url)
    writer.transport.pause_reading()
    await asyncio.sleep(max(0, end - time.time()))
    writer.close()


async def measure(address, viewers, stalled, seconds):
    url, end = urlsplit(address), time.time() + seconds
    seen = [[] for _ in range(viewers)]
    await asyncio.gather(*(view(url, end, each) for each in seen), *(stall(url, end) for _ in range(stalled)))
    arrivals = [np.array([now for now, _ in each]) for each in seen]
    latencies = np.array([now - stamp for each in seen for now, stamp in each]) * 1000
    rates = [(len(each) - 1) / (end - each[0]) if len(each) > 1 else 0.0 for each in arrivals]
    gaps = np.concatenate([np.diff(each) for each in arrivals]) * 1000
    return {
        "rate_min": min(rates),
        "rate_median": float(np.median(rates)),
        "gap_p99": float(np.percentile(gaps, 99)),
        "latency_p50": float(np.percentile(latencies, 50)),
        "latency_p99": float(np.percentile(latencies, 99)),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(sys.argv[1], *map(int, sys.argv[2:])))))
