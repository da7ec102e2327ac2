"""A gRPC server and a gRPC client, both the library's own, with whatever is tested between them.

Prints the server's port, reads the port to call from standard input, and prints what happened as JSON.
Messages are plain bytes, so nothing has to be generated.
"""

import json
import queue
import sys
import threading
from concurrent import futures

import grpc

PATIENCE = 20
seen = []
begun = queue.Queue()
ended = queue.Queue()


def unary(request, context):
    metadata = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-first", "1"),))
    context.set_trailing_metadata((("x-last", metadata.get("remote-user", "nobody")),))
    return b"echo " + request


def fails(request, context):
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, "100 % wrong: ä")


def down(request, context):
    for number in range(int(request)):
        yield b"%d" % number


def up(requests, context):
    return b"%d" % sum(len(request) for request in requests)


def both(requests, context):
    for request in requests:
        yield b"re " + request


def waits(request, context):
    over = threading.Event()
    if not context.add_callback(over.set):
        over.set()
    begun.put(request)
    over.wait(PATIENCE)
    ended.put(request.decode() if over.is_set() else "still running")
    return b""


METHODS = {
    "/t.T/Unary": grpc.unary_unary_rpc_method_handler(unary),
    "/t.T/Fails": grpc.unary_unary_rpc_method_handler(fails),
    "/t.T/Down": grpc.unary_stream_rpc_method_handler(down),
    "/t.T/Up": grpc.stream_unary_rpc_method_handler(up),
    "/t.T/Both": grpc.stream_stream_rpc_method_handler(both),
    "/t.T/Waits": grpc.unary_unary_rpc_method_handler(waits),
}


class Handlers(grpc.GenericRpcHandler):
    def service(self, details):
        seen.append(details.method)
        return METHODS.get(details.method)


def code_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
    return ["OK", ""]


def channel(port, host):
    options = [("grpc.default_authority", host), ("grpc.enable_http_proxy", 0)]
    return grpc.insecure_channel(f"127.0.0.1:{port}", options)


def lock_step(open_channel):
    """Each message waits for the answer to the one before: nothing may be held back."""
    outgoing = queue.Queue()
    answers = open_channel.stream_stream("/t.T/Both")(iter(outgoing.get, None), timeout=PATIENCE)
    heard = []
    for word in [b"one", b"two", b"three"]:
        outgoing.put(word)
        heard.append(next(answers).decode())
    outgoing.put(None)
    return heard + [message.decode() for message in answers] + [answers.code().name]


def calls(port):
    open_channel = channel(port, "open.example.com")
    unary_call = open_channel.unary_unary("/t.T/Unary")
    answer, call = unary_call.with_call(b"hello", timeout=PATIENCE)
    large = bytes(3 * 1024 * 1024)
    waiting = open_channel.unary_unary("/t.T/Waits")
    deadline = code_of(lambda: waiting(b"deadline", timeout=1))
    cancelled = waiting.future(b"cancel", timeout=PATIENCE)
    for _ in range(2):
        begun.get(timeout=PATIENCE)
    cancelled.cancel()
    named = channel(port, "named.example.com").unary_unary("/t.T/Unary")
    _, named = named.with_call(b"", timeout=PATIENCE, metadata=(("x-user", "anna"),))
    said = {
        "unary": answer.decode(),
        "first": dict(call.initial_metadata()).get("x-first"),
        "last": dict(call.trailing_metadata()).get("x-last"),
        "fails": code_of(lambda: open_channel.unary_unary("/t.T/Fails")(b"", timeout=PATIENCE)),
        "unknown": code_of(lambda: open_channel.unary_unary("/t.T/No")(b"", timeout=PATIENCE))[0],
        "down": len(list(open_channel.unary_stream("/t.T/Down")(b"1000", timeout=PATIENCE))),
        "up": open_channel.stream_unary("/t.T/Up")(iter([large] * 4), timeout=PATIENCE).decode(),
        "large": len(unary_call(large, timeout=PATIENCE)),
        "both": lock_step(open_channel),
        "deadline": deadline[0],
        "ended": sorted(ended.get(timeout=PATIENCE) for _ in range(2)),
        "named": dict(named.trailing_metadata()).get("x-last"),
    }
    before = len(seen)
    closed = channel(port, "closed.example.com")
    return said | {
        "closed": code_of(lambda: closed.unary_unary("/t.T/Unary")(b"", timeout=PATIENCE))[0],
        "closed_stream": code_of(
            lambda: list(closed.stream_stream("/t.T/Both")(iter([large] * 4), timeout=PATIENCE))
        )[0],
        "seen_of_closed": seen[before:],
    }


server = grpc.server(futures.ThreadPoolExecutor(8), handlers=(Handlers(),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
print(json.dumps(calls(int(sys.stdin.readline()))), flush=True)
server.stop(None)
