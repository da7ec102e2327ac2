"""What is compared with what, group by group, and how it is printed. Nothing here passes or fails."""

import shutil
import statistics

import measure
from peers import BODIES, memory, request

PUBLIC, PRIVATE = "/public/1k", "/private/1k"


def heading(text, *columns):
    print(f"\n{text}")
    if columns:
        print("  " + " " * 22 + "".join(f"{column:26}" for column in columns))


def row(name, *cells):
    print(f"  {name:22}" + "".join(f"{cell:26}" for cell in cells))


def keepalive(bench, options):
    """1 KiB over HTTP/1.1: the headline."""
    names = ["origin", "proxy", "gate", *(["haproxy"] if shutil.which("haproxy") else [])]
    with bench.running(*names) as pids:
        contenders = {
            "direct": ("origin", PUBLIC, ""),
            "nginx": ("proxy", PUBLIC, ""),
            # What the longer request itself costs a proxy that does not look at it.
            "nginx+cookie": ("proxy", PRIVATE, bench.cookie),
            "public": ("gate", PUBLIC, ""),
            # The same browser on a public page: it sends its cookies there too.
            "public+cookie": ("gate", PUBLIC, bench.cookie),
            "stepped-up": ("gate", PRIVATE, bench.cookie),
        }
        if "haproxy" in names:
            contenders["haproxy"] = ("haproxy", PUBLIC, "")

        def one(name, path, cookie):
            return measure.load(bench.url(name, path), bench.host, cookie, options.seconds, [pids[name]])

        measured = measure.rounds(contenders, options.rounds, one)
    heading("1 KiB, 64 keep-alive connections", "requests/s × nginx", "CPU per request × nginx", "CPU × public+cookie")
    for name in measured:
        own = ["", ""] if name == "direct" else [measure.ratio(measured, name, base, 1) for base in ["nginx", "public+cookie"]]
        row(name, measure.ratio(measured, name, "nginx", 0), *own)
    spent = {name: statistics.median(one[1] for one in values) for name, values in measured.items() if name != "direct"}
    print("  CPU seconds per 100,000 requests here: " + ", ".join(f"{n} {s * 100_000:.2f}" for n, s in spent.items()))


def counted(bench, options):
    """Instructions per request: what a change is judged by."""
    if not shutil.which("valgrind"):
        return
    rows = {
        "nginx": ("proxy", PUBLIC, ""),
        "nginx+cookie": ("proxy", PRIVATE, bench.cookie),
        "public": ("gate", PUBLIC, ""),
        "public+cookie": ("gate", PUBLIC, bench.cookie),
        "stepped-up": ("gate", PRIVATE, bench.cookie),
    }
    with bench.running("origin"):
        counts = {}
        for name, what in rows.items():
            keep = f"{options.keep}/{name}" if options.keep else None
            counts[name] = measure.instructions(bench, *what, keep=keep)
    heading("Instructions per request, user space (callgrind)", "", "× nginx", "× public+cookie")
    for name, count in counts.items():
        row(name, f"{count:.0f}", f"{count / counts['nginx']:.2f}", f"{count / counts['public+cookie']:.2f}")


def doors(bench, options):
    """nginx asks for every request: a server that only says 200, or the gate."""
    with bench.running("origin", "proxy", "trivial", "asking", "through", "gate_asked") as pids:
        contenders = {
            "nginx": ("proxy", ["proxy"], ""),
            "nginx+trivial": ("asking", ["asking", "trivial"], ""),
            "nginx+stepgate": ("through", ["through", "gate_asked"], bench.cookie),
        }

        def one(name, members, cookie):
            members = [pids[member] for member in members]
            return measure.load(bench.url(name, PRIVATE), bench.host, cookie, options.seconds, members)

        measured = measure.rounds(contenders, options.rounds, one)

        def check(name, path, more):
            url = bench.url(name, path)
            return measure.load(url, bench.host, bench.cookie, options.seconds, [pids[name]], more=more)

        about = ["X-Original-Method: GET", f"X-Original-URL: http://{bench.host}{PRIVATE}", "X-Forwarded-For: 127.0.0.1"]
        checks = {"trivial": ("trivial", "/", []), "stepgate": ("gate_asked", "/.stepgate/authz/nginx", about)}
        alone = measure.rounds(checks, options.rounds, check)
    heading("nginx auth_request, both processes counted", "requests/s × nginx", "CPU per request × nginx", "CPU × nginx+trivial")
    for name in measured:
        row(name, *(measure.ratio(measured, name, "nginx", which) for which in [0, 1]), measure.ratio(measured, name, "nginx+trivial", 1))
    row("one check × trivial", "", "", measure.ratio(alone, "stepgate", "trivial", 1))


def bodies(bench, options):
    """Processor time for bytes rather than for requests."""
    with bench.running("origin", "proxy", "gate") as pids:
        for size, connections in [("1m", 16), ("100m", 4)]:
            path = f"/private/{size}"
            contenders = {"nginx": ("proxy", ""), "stepped-up": ("gate", bench.cookie)}

            def one(name, cookie):
                url = bench.url(name, path)
                seconds = max(options.seconds, 4 if size == "1m" else 8)
                return measure.load(url, bench.host, cookie, seconds, [pids[name]], connections)

            measured = measure.rounds(contenders, options.rounds, one)
            heading(f"{BODIES[size] >> 20} MiB bodies", "bytes/s × nginx", "CPU per byte × nginx")
            row("stepped-up", *(measure.ratio(measured, "stepped-up", "nginx", which) for which in [0, 1]))
        print(f"  resident after it: {memory(pids['gate']) / 2**20:.1f} MiB")


def tls(bench, options):
    """TLS 1.3, on connections that last and on a new one for each request."""
    with bench.running("origin", "proxy_tls", "gate_tls") as pids:
        for text, more in [("TLS, keep-alive", []), ("TLS, a new connection each", ["Connection: close"])]:
            contenders = {"nginx": ("proxy_tls", ""), "public": ("gate_tls", "")}

            def one(name, cookie):
                host = f"localhost:{bench.ports[name]}"
                return measure.load(bench.url(name, PUBLIC), host, cookie, options.seconds, [pids[name]], more=more)

            measured = measure.rounds(contenders, options.rounds, one)
            heading(text, "requests/s × nginx", "CPU per request × nginx")
            row("public", *(measure.ratio(measured, "public", "nginx", which) for which in [0, 1]))


def http2(bench, options):
    """HTTP/2 over TLS from the client; HTTP/1.1 to the app, for both."""
    if not shutil.which("h2load"):
        return
    with bench.running("origin", "proxy_tls", "gate_tls") as pids:

        def one(name):
            return measure.load_http2(bench.url(name, PUBLIC), bench.host, "", options.seconds, [pids[name]])

        measured = measure.rounds({"nginx": ("proxy_tls",), "public": ("gate_tls",)}, options.rounds, one)
    heading("HTTP/2 over TLS, 16 connections with 8 streams", "requests/s × nginx", "CPU per request × nginx")
    row("public", *(measure.ratio(measured, "public", "nginx", which) for which in [0, 1]))


def latency(bench, options):
    """What a proxy adds at 1,000 requests/s, open loop."""
    with bench.running("origin", "proxy", "gate"):
        contenders = {"direct": ("origin", ""), "nginx": ("proxy", ""), "stepped-up": ("gate", bench.cookie)}

        def one(name, cookie):
            return measure.latency(bench.ports[name], PRIVATE, bench.host, cookie, 1000, options.seconds)

        measured = measure.rounds(contenders, options.rounds, one)
    heading("Latency at 1,000 requests/s, ms; median of rounds", "p50", "p99")
    for name, values in measured.items():
        row(name, *(f"{statistics.median(value[which] for value in values):.3f}" for which in [0, 1]))


def idle(bench, options):
    """Memory with nothing to do, and of connections that wait."""
    count = min(options.connections, measure.many_files() - 256)
    with bench.running("origin", "proxy", "gate") as pids:
        heading("Idle", "nginx", "stepgate")
        row("PSS, MiB", *(f"{memory(pids[name]) / 2**20:.1f}" for name in ["proxy", "gate"]))
        each = [
            measure.idle_connections(pids[name], bench.ports[name], count, request(PUBLIC, bench.host), PUBLIC)
            for name in ["proxy", "gate"]
        ]
        row(f"KiB each of {count}", *(f"{one:.1f}" for one in each))


def start(bench, options):
    """From the start of the process to its first answer, with the store as it is."""
    with bench.running("origin"):
        heading("Start to first 200, ms (median, range)")
        for name in ["proxy", "gate"]:
            taken = [measure.start_to_answer(bench, name, PUBLIC) for _ in range(max(5, options.rounds))]
            row(name, f"{statistics.median(taken):.0f} ({min(taken):.0f}–{max(taken):.0f})")


GROUPS = {
    "instructions": counted,
    "keepalive": keepalive,
    "doors": doors,
    "bodies": bodies,
    "tls": tls,
    "http2": http2,
    "latency": latency,
    "idle": idle,
    "start": start,
}
