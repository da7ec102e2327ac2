"""The contenders of the benchmarks and what they stand between: started, measured and ended here.

The contender owns one processor; the origin and the load generator share the other. Nothing here
knows what is compared with what; see `rows.py`.
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import socket
import ssl
import struct
import subprocess
import sys
import time

CONTENDER_CPU, LOAD_CPU = "0", "1"
TICKS = os.sysconf("SC_CLK_TCK")
PASSWORD = "correct horse battery staple"
BODIES = {"1k": 1 << 10, "1m": 1 << 20, "100m": 100 << 20}
PROXY = (
    'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;'
    " proxy_set_header X-Forwarded-For $remote_addr;"
)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"{process.args} ended early, see its output above")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.02)
    sys.exit(f"nobody listens on port {port}")


def family(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [member for child in children for member in family(int(child))]


def cpu_seconds(pids):
    """Processor time of processes and all their children, the kernel's part included."""
    total = 0
    for pid in pids:
        for member in family(pid):
            fields = pathlib.Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory(pid):
    """Proportional set size in bytes, all children included."""
    total = 0
    for member in family(pid):
        for line in pathlib.Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


class Bench:
    """A directory with an origin, its proxies, and a gate with one person who has stepped up."""

    def __init__(self, directory, binary):
        self.directory = directory
        self.binary = binary
        self.processes = []
        self.cookie = ""
        names = ["origin", "proxy", "proxy_tls", "haproxy", "trivial", "asking", "through", "gate", "gate_tls"]
        self.ports = {name: free_port() for name in names}
        # The same gate for whom it is asked by: only here are clients trusted proxies.
        self.ports["gate_asked"] = self.ports["gate"]
        self.host = f"localhost:{self.ports['gate']}"
        self.web()
        self.certificate()
        self.write_nginx()
        self.write_gate()

    def web(self):
        web = self.directory / "web"
        for path in ["public", "private"]:
            (web / path).mkdir(parents=True)
            for name, size in BODIES.items():
                (web / path / name).write_bytes(b"x" * size)
        # Workers run as another user when this is run by root.
        for path in [self.directory, web, web / "public", web / "private"]:
            path.chmod(0o755)

    def certificate(self):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost"]
        command += ["-addext", "subjectAltName=DNS:localhost"]
        subprocess.run(command, cwd=self.directory, check=True, capture_output=True)

    def nginx_file(self, name, server, listen="", extra=""):
        port = self.ports[name]
        file = self.directory / f"nginx-{name}.conf"
        file.write_text(
            f"""
            worker_processes 1;
            pid {self.directory}/nginx-{name}.pid;
            error_log {self.directory}/nginx-{name}.log;
            events {{ worker_connections 16384; }}
            http {{
                access_log off;
                keepalive_requests 1000000000; keepalive_timeout 1h;
                client_body_temp_path {self.directory}/body; proxy_temp_path {self.directory}/proxy;
                fastcgi_temp_path {self.directory}/f; uwsgi_temp_path {self.directory}/u; scgi_temp_path {self.directory}/s;
                {extra}
                server {{ listen 127.0.0.1:{port} {listen} backlog=1024; {server} }}
            }}
            """
        )

    def write_nginx(self):
        def pool(name, port):
            return f"upstream {name} {{ server 127.0.0.1:{self.ports[port]}; keepalive 128; keepalive_requests 1000000000; }}"

        app = pool("app", "origin")
        forward = f"location / {{ proxy_pass http://app; {PROXY} }}"
        tls = f"ssl_certificate {self.directory}/cert.pem; ssl_certificate_key {self.directory}/key.pem;"
        self.nginx_file("origin", f"root {self.directory}/web; location / {{ }}")
        self.nginx_file("proxy", forward, extra=app)
        self.nginx_file("proxy_tls", tls + forward, listen="ssl http2", extra=app)
        self.nginx_file("trivial", "location / { return 200; }")
        ask = "proxy_pass_request_body off; proxy_set_header Content-Length '';"
        about = "proxy_set_header X-Original-Method $request_method; proxy_set_header X-Original-URL http://$http_host$request_uri;"
        for name, auth, path in [("asking", "trivial", "/"), ("through", "gate", "/.stepgate/authz/nginx")]:
            check = f"location = /check {{ internal; proxy_pass http://auth{path}; {PROXY} {ask} {about} }}"
            server = f"location / {{ auth_request /check; proxy_pass http://app; {PROXY} }} {check}"
            self.nginx_file(name, server, extra=app + pool("auth", auth))
        (self.directory / "haproxy.cfg").write_text(
            f"""
            global
                nbthread 1
            defaults
                mode http
                timeout client 1h
                timeout server 1h
                timeout connect 5s
                http-reuse always
                option forwardfor
            frontend in
                bind 127.0.0.1:{self.ports['haproxy']}
                default_backend app
            backend app
                server app 127.0.0.1:{self.ports['origin']}
            """.replace("            ", "")
        )

    def write_gate(self):
        """Gates over the same state: cleartext, one that may be asked, and one with TLS of its own."""
        for name in ["gate", "gate_asked", "gate_tls"]:
            tls = f"tls: {{ certificate: {self.directory}/cert.pem, key: {self.directory}/key.pem }}"
            self.gate_file(name).write_text(
                f"""
version: 1
server:
  listen: "127.0.0.1:{self.ports[name]}"
  public_url: http{"s" if name == "gate_tls" else ""}://localhost:{self.ports[name]}
  workers: 1
  operations: false
  trusted_proxies: [{"127.0.0.1/32" if name == "gate_asked" else ""}]
  {tls if name == "gate_tls" else ""}
storage:
  state_directory: {self.directory}/state
enrolment:
  first_factor: open
logging:
  level: error
routes:
  - name: app
    host: localhost
    upstream: http://127.0.0.1:{self.ports["origin"]}
    require: standard
    rules:
      - {{ path: /public/**, require: public }}
"""
            )

    def gate_file(self, name="gate"):
        return self.directory / f"{name}.yaml"

    def command(self, name):
        if name.startswith("gate"):
            return [self.binary, "run", "-c", self.gate_file(name)]
        if name == "haproxy":
            return ["haproxy", "-db", "-f", self.directory / "haproxy.cfg"]
        return ["nginx", "-c", self.directory / f"nginx-{name}.conf", "-g", "daemon off;"]

    def start(self, name, cpu=CONTENDER_CPU, before=()):
        if name == "origin":
            cpu = LOAD_CPU
        command = ["taskset", "-c", cpu, *before, *map(str, self.command(name))]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.processes.append(process)
        wait_for(self.ports[name], process)
        return process

    def stop(self, process):
        self.processes.remove(process)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self):
        for process in list(self.processes):
            self.stop(process)

    @contextlib.contextmanager
    def running(self, *names):
        """Starts these and ends them again; gives their process ids by name."""
        processes = {name: self.start(name) for name in names}
        try:
            yield {name: process.pid for name, process in processes.items()}
        finally:
            for process in processes.values():
                self.stop(process)

    def url(self, name, path):
        scheme = "https" if name.endswith("_tls") else "http"
        return f"{scheme}://127.0.0.1:{self.ports[name]}{path}"

    # The claim, obtained as any API client would.

    def call(self, path, body, jar):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["gate"], timeout=30)
        headers = {"Host": self.host, "Content-Type": "application/json", "Cookie": cookies(jar)}
        connection.request("POST", f"/.stepgate/api/v1/{path}", json.dumps(body), headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status >= 300:
            sys.exit(f"{path}: {response.status} {answer.decode()}")
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                jar[key] = rest.partition(";")[0]
        return json.loads(answer or b"{}")

    def sign_in(self):
        add = [self.binary, "users", "add", "bench", "--password-stdin", "-c", self.gate_file()]
        subprocess.run(add, input=PASSWORD + "\n", text=True, check=True, stdout=subprocess.DEVNULL)
        jar = {}
        with self.running("gate"):
            self.call("sign-in", {"username": "bench", "password": PASSWORD}, jar)
            pending = self.call("enrolments", {"factor": "totp"}, jar)
            code = totp(pending["setup"]["key"])
            self.call(f"enrolments/{pending['id']}/confirm", {"code": code, "name": "bench"}, jar)
        self.cookie = cookies(jar)


def cookies(jar):
    return "; ".join(f"{name}={value}" for name, value in jar.items())


def totp(key):
    key = key.replace(" ", "").upper()
    secret = base64.b32decode(key + "=" * (-len(key) % 8))
    digest = hmac.new(secret, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7FFFFFFF) % 1000000:06}"


def connect(port, tls=False):
    stream = socket.create_connection(("127.0.0.1", port), 60)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tls:
        return stream
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(stream)


def request(path, host, cookie="", more=()):
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *([f"Cookie: {cookie}"] if cookie else []), *more, "", ""]
    return "\r\n".join(lines).encode()


def read_response(file, path):
    status = file.readline()
    if b" 200 " not in status and b" 101 " not in status:
        sys.exit(f"{path}: {status.decode()}")
    length = 0
    while (line := file.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    file.read(length)
