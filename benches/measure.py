"""How things are measured: load and processor time, instructions, memory, latency at a fixed rate."""

import asyncio
import contextlib
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time

from peers import LOAD_CPU, connect, cpu_seconds, memory, read_response, request, wait_for

CONNECTIONS = 64


def load(url, host, cookie, seconds, pids, connections=CONNECTIONS, more=()):
    """Requests per second, and processor seconds and bytes per request, under wrk."""
    command = ["taskset", "-c", LOAD_CPU, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-H", f"Host: {host}"]
    for line in [*([f"Cookie: {cookie}"] if cookie else []), *more]:
        command += ["-H", line]
    before = cpu_seconds(pids)
    out = subprocess.run([*command, "--timeout", "30s", url], capture_output=True, text=True, check=True).stdout
    spent = cpu_seconds(pids) - before
    if "Non-2xx" in out or re.search(r"Socket errors: connect [1-9]", out):
        sys.exit(f"{url} failed:\n{out}")
    requests = int(re.search(r"(\d+) requests in", out)[1])
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
    return rate, spent / max(requests, 1)


def load_http2(url, host, cookie, seconds, pids):
    """The same over HTTP/2: 16 connections with 8 streams each, under h2load."""
    port = re.search(r":(\d+)/", url)[1]
    command = ["taskset", "-c", LOAD_CPU, "h2load", "-t1", "-c16", "-m8", "-D", str(seconds), "--warm-up-time=0"]
    command += [f"--connect-to=127.0.0.1:{port}", *(["-H", f"cookie: {cookie}"] if cookie else [])]
    before = cpu_seconds(pids)
    out = subprocess.run([*command, url.replace("127.0.0.1", "localhost")], capture_output=True, text=True, check=True).stdout
    spent = cpu_seconds(pids) - before
    done = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", out)
    if not done or any(int(count) for count in done.groups()[1:]) or int(done[1]) == 0:
        sys.exit(f"{url} failed:\n{out}")
    return int(done[1]) / seconds, spent / int(done[1])


def rounds(contenders, count, one):
    """Interleaves the contenders; `one` measures one of them once. The first time does not count."""
    names = list(contenders)
    measured = {name: [] for name in names}
    for name in names:
        one(*contenders[name])
    for number in range(count):
        for name in names[number % len(names):] + names[: number % len(names)]:
            measured[name].append(one(*contenders[name]))
        print(f"  round {number + 1} of {count}", file=sys.stderr)
    return measured


def ratio(measured, name, base, which):
    ratios = [one[which] / other[which] for one, other in zip(measured[name], measured[base]) if other[which]]
    if not ratios:
        return "too short to tell"
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


# Instructions per request.


def drive(port, path, host, cookie, count, connections=16):
    """Requests in step on several connections, so that one wake-up serves many, as under load."""
    asked = request(path, host, cookie)
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(connect(port)) for _ in range(connections)]
        files = [stream.makefile("rb") for stream in streams]
        for _ in range(count // connections):
            for stream in streams:
                stream.sendall(asked)
            for file in files:
                read_response(file, path)


def total(directory):
    """Instructions of all threads: callgrind writes one file for each process."""
    files = [file.read_text(errors="replace") for file in directory.iterdir()]
    return sum(int(found[1]) for text in files if (found := re.search(r"^(?:totals|summary): (\d+)", text, re.M)))


def instructions(bench, name, path, cookie, keep=None):
    """User-space instructions per request: the difference of two runs, so that start and stop cancel
    out. Callgrind's files are copied to `keep`, if that is given."""
    port, few, many, runs = bench.ports[name], 1600, 9600, []
    command = [*bench.command(name)]
    if command[0] == "nginx":
        command[-1] += " master_process off;"
    for count in [few, many]:
        out = bench.directory / f"callgrind-{port}-{count}"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        valgrind = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}/out.%p"]
        process = subprocess.Popen(["taskset", "-c", "0", *valgrind, *map(str, command)], stdout=subprocess.DEVNULL)
        bench.processes.append(process)
        wait_for(port, process)
        time.sleep(1)
        drive(port, path, bench.host, cookie, count)
        process.terminate()
        # Under valgrind a signal may wait for the next event.
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
        bench.stop(process)
        if keep:
            for file in out.iterdir():
                shutil.copy(file, f"{keep}-{count}.{file.suffix.lstrip('.')}")
        runs.append(total(out))
    return (runs[1] - runs[0]) / (many - few)


# Latency at a fixed rate.


def latency(port, path, host, cookie, rate, seconds):
    """Milliseconds at p50 and p99, open loop: each request has its time, whether or not the one before
    has been answered, and is measured from that time on."""
    return asyncio.run(open_loop(port, request(path, host, cookie), rate, seconds))


async def open_loop(port, asked, rate, seconds):
    pool, taken = [], []

    async def one(due):
        reader, writer = pool.pop() if pool else await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: *(\d+)", head, re.I)[1])
        await reader.readexactly(length)
        taken.append((time.perf_counter() - due) * 1000)
        pool.append((reader, writer))

    start = time.perf_counter() + 0.1
    running = set()
    for number in range(int(rate * seconds)):
        due = start + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.ensure_future(one(due))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    for _, writer in pool:
        writer.close()
    # What the first connections cost is not the question.
    taken = sorted(taken[len(taken) // 10:])
    return taken[len(taken) // 2], taken[len(taken) * 99 // 100]


# Memory and start.


def many_files():
    """As many descriptors as this user may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def idle_connections(pid, port, count, asked, path):
    """Kibibytes that one connection costs which has served this request and now waits."""
    with contextlib.ExitStack() as stack:
        # What the first ones cost, everybody pays once.
        for _ in range(64):
            open_and_ask(stack, port, asked, path)
        before = memory(pid)
        for _ in range(count):
            open_and_ask(stack, port, asked, path)
        time.sleep(1)
        return (memory(pid) - before) / count / 1024


def open_and_ask(stack, port, asked, path):
    stream = stack.enter_context(connect(port))
    stream.sendall(asked)
    with stream.makefile("rb") as file:
        read_response(file, path)


def start_to_answer(bench, name, path):
    """Milliseconds from the start of the process to its first 200."""
    port = bench.ports[name]
    began = time.perf_counter()
    process = subprocess.Popen(["taskset", "-c", "0", *map(str, bench.command(name))], stdout=subprocess.DEVNULL)
    bench.processes.append(process)
    try:
        while True:
            with contextlib.suppress(OSError, ConnectionError):
                with connect(port) as stream:
                    stream.sendall(request(path, bench.host))
                    with stream.makefile("rb") as file:
                        if b" 200 " in file.readline():
                            return (time.perf_counter() - began) * 1000
            time.sleep(0.0005)
    finally:
        bench.stop(process)
