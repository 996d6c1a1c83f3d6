"""A network between a client and a server that fails in one particular way, when a test says so.

with TcpProxy(server.port) as proxy:         # reached at proxy.port
    proxy.lose_answer_to(b"SET")             # the server gets the next request with these bytes; nobody its answer
    proxy.forget_connections()               # those of today lead nowhere from now on; new ones do
"""

import select
import socket
import threading
from contextlib import suppress
from types import TracebackType

HOST = "127.0.0.1"
MOST = 1 << 20


class TcpProxy:
    def __init__(self, target_port: int):
        self.lost = 0
        """Answers that were lost."""
        self._target = (HOST, target_port)
        self._to_lose: list[bytes] = []
        self._forgotten: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    def lose_answer_to(self, request: bytes, times: int = 1) -> None:
        self._to_lose += [request] * times

    def forget_connections(self) -> None:
        """As a firewall does that was restarted: no end is told."""
        with self._guard:
            self._forgotten |= self._open

    def __enter__(self) -> "TcpProxy":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        with self._guard:
            for client in self._open:
                with suppress(OSError):  # being closed at this moment
                    client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            with self._guard:
                self._open.add(client)
            self._threads.append(threading.Thread(target=self._serve, args=(client,)))
            self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client, socket.create_connection(self._target) as server:
                self._pass_on(client, server)
        except OSError:
            """One end is gone, and so is the other."""
        finally:
            with self._guard:
                self._open.discard(client)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        losing = False
        while True:
            for source in select.select([client, server], [], [])[0]:
                data = source.recv(MOST)
                if not data:
                    return
                if client in self._forgotten:
                    continue
                if source is client:
                    losing = self._is_to_lose(data)
                    server.sendall(data)
                elif losing:
                    self.lost += 1
                    return
                else:
                    client.sendall(data)

    def _is_to_lose(self, data: bytes) -> bool:
        found = next((request for request in self._to_lose if request in data), None)
        if found is not None:
            self._to_lose.remove(found)
        return found is not None
