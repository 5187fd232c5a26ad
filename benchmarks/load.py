"""Loads a multipart MJPEG stream with many viewers: `python -m benchmarks.load URL VIEWERS STALLED SECONDS`.

Of the stalled viewers, each asks for the stream and never reads it. Prints JSON: the frame rates of the other viewers,
the 99th percentile of the gaps between their frames, and percentiles of the latency, in milliseconds, from the moment
when a frame left its source (X-Timestamp) to its arrival.
"""

import asyncio
import json
import socket
import sys
import time
from urllib.parse import SplitResult, urlsplit

import numpy as np

STAMP = b"X-Timestamp: "
STAMP_LENGTH = len(STAMP) + len("1700000000.000000")
Arrivals = list[tuple[float, float]]  # when each frame arrived, and when it left its source, both as time.time()


def request_for(url: SplitResult) -> bytes:
    """An HTTP request for the stream."""
    return f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode()


async def view(url: SplitResult, end: float, seen: Arrivals) -> None:
    """Read the stream until time.time() is `end`, and add each frame to `seen`."""
    reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=1 << 20)
    writer.write(request_for(url))
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


async def stall(url: SplitResult, end: float) -> None:
    """Ask for the stream and never read it, until time.time() is `end`."""
    with socket.create_connection((url.hostname, url.port or 80)) as connection:
        connection.sendall(request_for(url))
        await asyncio.sleep(max(0, end - time.time()))


async def measure(address: str, viewers: int, stalled: int, seconds: float) -> dict[str, float]:
    """Watch the stream for so many seconds. Returns frames per second, and gaps and latencies in milliseconds."""
    url, end = urlsplit(address), time.time() + seconds
    seen: list[Arrivals] = [[] for _ in range(viewers)]
    await asyncio.gather(*(view(url, end, each) for each in seen), *(stall(url, end) for _ in range(stalled)))
    arrivals = [np.array([now for now, _ in each]) for each in seen]
    latencies = np.array([now - stamp for each in seen for now, stamp in each]) * 1000
    rates = [(len(each) - 1) / (end - each[0]) if len(each) > 1 else 0.0 for each in arrivals]
    gaps = np.concatenate([np.diff(each) for each in arrivals]) * 1000
    return {
        "rate_min": float(min(rates)),
        "rate_median": float(np.median(rates)),
        "gap_p99": float(np.percentile(gaps, 99)),
        "latency_p50": float(np.percentile(latencies, 50)),
        "latency_p99": float(np.percentile(latencies, 99)),
    }


if __name__ == "__main__":
    address, viewers, stalled, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(measure(address, int(viewers), int(stalled), float(seconds)))))
