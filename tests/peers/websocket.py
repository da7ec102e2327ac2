"""WebSocket peers from two independent libraries: `websockets` and `wsproto` (over h11-like bytes and over `h2`).

    websocket.py serve websockets|wsproto              an echo server; prints its port
    websocket.py ask websockets|wsproto|h2 PORT HOST COOKIE [MEBIBYTES]

The client sends fragments, pings, compressed and huge messages, and closes both ways; it prints `ok` and what
was negotiated. With HELD set, the client on h2 says hello and then waits for the close. A message `close CODE` makes the server close with that code.
"""

import asyncio
import contextlib
import os
import socket
import sys
import threading

import h2.config
import h2.connection
import h2.events
import h2.settings
import websockets
import websockets.asyncio.client
import websockets.asyncio.server
import wsproto
import wsproto.events as ws
from wsproto.extensions import PerMessageDeflate
from wsproto.connection import Connection, ConnectionState, ConnectionType

PATIENCE = 60


def main():
    if sys.argv[1] == "serve":
        {"websockets": serve_websockets, "wsproto": serve_wsproto}[sys.argv[2]]()
        return
    library, port, host, cookie = sys.argv[2:6]
    size = int(sys.argv[6]) << 20 if len(sys.argv) > 6 else 1 << 20
    ask = {"websockets": ask_websockets, "wsproto": ask_wsproto, "h2": ask_h2}[library]
    print("ok", ask(int(port), host, cookie, size))


# The servers.


def serve_websockets():
    async def handler(connection):
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in connection:
                if isinstance(message, str) and message.startswith("close "):
                    await connection.close(int(message[6:]), "as told")
                    return
                await connection.send(message)

    async def serve():
        options = {"max_size": None, "ping_interval": None, "compression": "deflate"}
        async with websockets.asyncio.server.serve(handler, "127.0.0.1", 0, **options) as server:
            print(server.sockets[0].getsockname()[1], flush=True)
            await asyncio.get_running_loop().create_future()

    asyncio.run(serve())


def serve_wsproto():
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=echo_wsproto, args=(peer,), daemon=True).start()


def echo_wsproto(peer):
    connection = wsproto.WSConnection(ConnectionType.SERVER)
    message = []
    while data := peer.recv(1 << 20):
        connection.receive_data(data)
        for event in connection.events():
            if isinstance(event, ws.Request):
                # No compression: as a server this library loses its place when a ping comes between
                # compressed fragments. The other one shows compression.
                peer.sendall(connection.send(ws.AcceptConnection()))
            elif isinstance(event, ws.Ping):
                peer.sendall(connection.send(event.response()))
            elif isinstance(event, ws.CloseConnection):
                if connection.state is not ConnectionState.CLOSED:
                    peer.sendall(connection.send(event.response()))
                peer.close()
                return
            elif isinstance(event, ws.Message):
                message.append(event.data)
                if event.message_finished:
                    whole, message = message[0][:0].join(message), []
                    if isinstance(whole, str) and whole.startswith("close "):
                        answer = ws.CloseConnection(int(whole[6:]), "as told")
                    else:
                        answer = ws.Message(data=whole)
                    peer.sendall(connection.send(answer))


# The clients.


def ask_websockets(port, host, cookie, size):
    async def ask(close):
        origin = f"http://{host}:{port}"
        options = {"max_size": None, "ping_interval": None, "origin": origin, "open_timeout": PATIENCE}
        headers = {"Cookie": cookie} if cookie else {}
        uri = f"ws://{host}:{port}/ws"
        stream = socket.create_connection(("127.0.0.1", port))
        connect = websockets.asyncio.client.connect(uri, sock=stream, additional_headers=headers, **options)
        async with connect as connection:
            await asyncio.wait_for(await connection.ping(b"are you there"), PATIENCE)

            async def fragments():
                yield "frag"
                await connection.ping()
                yield "men"
                yield "ted"

            await connection.send(fragments())
            assert await connection.recv() == "fragmented"
            for message in ["", "text \u2603", b"", os.urandom(70_000), os.urandom(size if close else 10)]:
                await connection.send(message)
                assert await connection.recv() == message, len(message)
            if close:
                await connection.send(f"close {close}")
                try:
                    await connection.recv()
                except websockets.ConnectionClosed as closed:
                    assert (closed.rcvd.code, closed.rcvd.reason) == (close, "as told"), closed
            else:
                await connection.close(4321, "enough")
                assert connection.close_code == 4321, connection.close_code
            return connection.response.headers.get("Sec-WebSocket-Extensions", "nothing")

    asyncio.run(ask(4002))
    return asyncio.run(ask(None))


class Frames:
    """The exchange of one client on top of `wsproto`, wherever its bytes go."""

    def __init__(self, connection, write, read):
        self.connection, self.write, self.read = connection, write, read

    def send(self, event):
        self.write(self.connection.send(event))

    def next(self, kind):
        while True:
            for event in self.connection.events():
                if isinstance(event, kind):
                    return event
                assert isinstance(event, (ws.Ping, ws.Pong, ws.Message)), event
            data = self.read()
            self.connection.receive_data(data or None)

    def message(self):
        parts = []
        while True:
            event = self.next(ws.Message)
            parts.append(event.data)
            if event.message_finished:
                return parts[0][:0].join(parts)

    def run(self, size, close):
        self.send(ws.Ping(payload=b"are you there"))
        assert self.next(ws.Pong).payload == b"are you there"
        self.send(ws.Message(data="frag", message_finished=False))
        self.send(ws.Ping(payload=b"in between"))
        self.send(ws.Message(data="men", message_finished=False))
        self.send(ws.Message(data="ted"))
        assert self.message() == "fragmented"
        for message in ["", "text \u2603", b"", os.urandom(70_000), os.urandom(size if close else 10)]:
            # Both directions at once, or a large echo would wait for itself.
            sender = threading.Thread(target=self.send, args=(ws.Message(data=message),))
            sender.start()
            assert self.message() == message, len(message)
            sender.join()
        if close:
            self.send(ws.Message(data=f"close {close}"))
            told = self.next(ws.CloseConnection)
            assert (told.code, told.reason) == (close, "as told"), told
            self.send(told.response())
        else:
            self.send(ws.CloseConnection(4321, "enough"))
            assert self.next(ws.CloseConnection).code == 4321


def ask_wsproto(port, host, cookie, size):
    negotiated = None
    for close in (4002, None):
        stream = socket.create_connection(("127.0.0.1", port))
        stream.settimeout(PATIENCE)
        connection = wsproto.WSConnection(ConnectionType.CLIENT)
        frames = Frames(connection, stream.sendall, lambda: stream.recv(1 << 20))
        headers = [(b"Origin", f"http://{host}:{port}".encode())]
        headers += [(b"Cookie", cookie.encode())] if cookie else []
        request = ws.Request(
            host=f"{host}:{port}", target="/ws", extra_headers=headers, extensions=[PerMessageDeflate()]
        )
        frames.send(request)
        accepted = frames.next(ws.AcceptConnection)
        negotiated = [extension.name for extension in accepted.extensions]
        frames.run(size, close)
        # The server ends the connection.
        assert stream.recv(1) == b""
    return negotiated


class Http2:
    """One WebSocket on one stream of an HTTP/2 connection (RFC 8441)."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(PATIENCE)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.lock = threading.Condition()
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(1 << 24)
        self.flush()
        while not self.h2.remote_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL):
            self.events()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def events(self):
        data = self.socket.recv(1 << 18)
        with self.lock:
            events = self.h2.receive_data(data) if data else None
            self.flush()
            self.lock.notify_all()
        return events

    def connect(self, headers, protocol="websocket"):
        stream = self.h2.get_next_available_stream_id()
        first = [(":method", "CONNECT"), (":protocol", protocol), (":scheme", "http"), (":path", "/ws")]
        self.h2.send_headers(stream, first + headers)
        self.flush()
        while True:
            for event in self.events():
                if isinstance(event, h2.events.ResponseReceived):
                    return stream, dict(event.headers)

    def write(self, stream, data):
        view = memoryview(data)
        while view:
            with self.lock:
                room = lambda: min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
                assert self.lock.wait_for(lambda: room() > 0, PATIENCE)
                self.h2.send_data(stream, bytes(view[: (n := room())]))
                self.flush()
            view = view[n:]

    def read(self, stream):
        while True:
            received, ended = b"", False
            for event in self.events() or []:
                if isinstance(event, h2.events.DataReceived) and event.stream_id == stream:
                    received += event.data
                    with self.lock:
                        self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
                        self.flush()
                ended |= isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset))
            if received or ended:
                return received


def ask_h2(port, host, cookie, size):
    client = Http2(port)
    common = [(":authority", f"{host}:{port}"), ("origin", f"http://{host}:{port}")]
    handshake = [("sec-websocket-version", "13"), ("sec-websocket-extensions", "permessage-deflate")]
    # Browsers split cookies.
    cookies = [("cookie", pair) for pair in cookie.split("; ") if pair]
    if os.environ.get("REFUSED"):
        _, plain = client.connect(common + handshake + cookies, os.environ.get("PROTOCOL", "websocket"))
        return plain[":status"]
    if os.environ.get("HELD"):
        stream, answer = client.connect(common + cookies + handshake[:1])
        connection = Connection(ConnectionType.CLIENT)
        frames = Frames(connection, lambda data: client.write(stream, data), lambda: client.read(stream))
        frames.send(ws.Message(data="hello"))
        print(frames.message(), flush=True)
        closed = frames.next(ws.CloseConnection)
        frames.send(closed.response())
        return f"{answer[':status']} {int(closed.code)} {closed.reason}"
    negotiated = None
    for close in (4002, None):
        stream, answer = client.connect(common + cookies + handshake)
        assert answer[":status"] == "200", answer
        assert not {"sec-websocket-accept", "upgrade", "connection"} & set(answer), answer
        negotiated = answer.get("sec-websocket-extensions", "nothing")
        deflate = [PerMessageDeflate()] if "deflate" in negotiated else []
        for extension in deflate:
            extension.finalize(negotiated)
        connection = Connection(ConnectionType.CLIENT, deflate)
        frames = Frames(connection, lambda data: client.write(stream, data), lambda: client.read(stream))
        frames.run(size, close)
    return negotiated


if __name__ == "__main__":
    main()
