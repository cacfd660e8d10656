"""A line between gateway and broker that can fail, in a process of its own; one-word commands on stdin.

    up      listen and forward                    down    reset what is connected, refuse the rest
    silent  stay connected and forward nothing    quit

The broker behind it never stops: what is lost, the gateway lost.
"""

import argparse
import contextlib
import socket
import struct
import sys
import threading

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
HOST = "127.0.0.1"


class Proxy:
    """Forwards one port."""

    def __init__(self, listen: int, target: int) -> None:
        self._listen, self._target = listen, target
        self._server: socket.socket | None = None
        self._lines: set[socket.socket] = set()
        self._flowing = threading.Event()

    def up(self) -> None:
        """Listen and forward."""
        self._flowing.set()
        if self._server is None:
            self._server = socket.create_server((HOST, self._listen))
            threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def silent(self) -> None:
        """Keep the connections and forward nothing."""
        self._flowing.clear()

    def down(self) -> None:
        """Reset every connection and refuse new ones."""
        server, self._server = self._server, None
        if server is not None:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()
        lines, self._lines = self._lines, set()
        for line in lines:
            with contextlib.suppress(OSError):
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            try:
                far = socket.create_connection((HOST, self._target))
            except OSError:
                near.close()
                continue
            for line in (near, far):
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._lines |= {near, far}
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self._flowing.wait()
                if source not in self._lines:
                    return
                sink.sendall(data)
        except OSError:
            pass
        for line in (source, sink):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", type=int, required=True)
    parser.add_argument("--target", type=int, required=True)
    args = parser.parse_args()
    proxy = Proxy(args.listen, args.target)
    commands = {"up": proxy.up, "silent": proxy.silent, "down": proxy.down}
    for line in sys.stdin:
        command = commands.get(line.strip())
        if command is None:
            return
        command()
        print("done", flush=True)


if __name__ == "__main__":
    main()
