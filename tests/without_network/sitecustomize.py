"""Python runs this first wherever it is on the path: connections and look-ups beyond this machine are refused.

They are also written to the file that the environment's REFUSED names.
"""

import os
import sys

HERE = (None, "", "localhost", "::", "::1", "0.0.0.0")
LOOK_UPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


def refuse(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
    elif event in LOOK_UPS:
        address = arguments[:1]
    else:
        return
    host = address[0] if isinstance(address, tuple) else None  # None: a socket between processes
    host = host.decode() if isinstance(host, bytes) else host
    if host not in HERE and not host.startswith("127."):
        with open(os.environ["REFUSED"], "a", encoding="utf-8") as file:
            file.write(f"{event} {address}\n")
        raise OSError("no network in this test")


sys.addaudithook(refuse)
