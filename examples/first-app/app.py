"""A guest book that knows nothing of sign-ins: it believes the `Remote-User` that the gate sets.

It listens on loopback only, so that nobody reaches it around the gate.
"""

import html
import http.server
import urllib.parse

ENTRIES: list[tuple[str, str]] = []


class GuestBook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/admin/clear":
            ENTRIES.clear()
        rows = "".join(f"<li><b>{html.escape(who)}</b>: {html.escape(text)}" for who, text in ENTRIES)
        self.page(
            f"<h1>Guest book</h1><ul>{rows}</ul>"
            '<form method="post" action="/sign"><input name="text"><button>Sign</button></form>'
            '<p><a href="/admin/clear">Clear it</a></p>'
        )

    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 4096))
        text = urllib.parse.parse_qs(body.decode()).get("text", [""])[0]
        ENTRIES.append((self.headers.get("Remote-User", "nobody"), text))
        self.send_response(303)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def page(self, text: str) -> None:
        body = f"<!doctype html><title>Guest book</title>{text}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", 3000), GuestBook).serve_forever()
