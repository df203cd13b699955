"""Files over the network: servers on this machine, of a folder, and of contents that misbehaves on demand."""

import functools
import io
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextmanager
def served(folder, handler=None):
    """Address at which the files of a folder are served while the context lasts."""
    handler = functools.partial(handler or RangeHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class RangeHandler(SimpleHTTPRequestHandler):
    """The handler of the standard library, which knows no ranges, with them."""

    def log_message(self, *_):
        pass

    def send_head(self):
        path = Path(self.translate_path(self.path))
        if "Range" not in self.headers or not path.is_file():
            return super().send_head()
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        content = path.read_bytes()[int(first) : int(last) + 1 if last else None]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(content) - 1}/{path.stat().st_size}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return io.BytesIO(content)


class MoodyServer(ThreadingHTTPServer):
    """Serves `contents` with ranges as RFC 9110 says, each under its ETag in `tags`, where it has one.

    Attributes:
        cuts: The next answers break off after so many bytes.
        ranges_known: Whether it serves ranges at all.
        requested: The range of each request.
        answers: The next answers, each a function of the request handler, in place of the right ones; None is right.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), MoodyHandler)
        self.contents, self.tags = {}, {}
        self.cuts, self.ranges_known, self.requested, self.answers = [], True, [], []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class MoodyHandler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.requested.append(self.headers.get("Range"))
        if self.server.answers and (answer := self.server.answers.pop(0)):
            answer(self)
            return
        content = self.server.contents.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = self._start()
        if start and start >= len(content):
            self.answer(416, **{"Content-Range": f"bytes */{len(content)}"})
            return
        extent = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        self.answer(206 if start else 200, content[start:], **extent)

    def _start(self):
        """First byte that is asked for of the file as it is now."""
        wanted, known = self.headers.get("Range"), self.headers.get("If-Range")
        stale = known is not None and known != self.server.tags.get(self.path)
        if not wanted or not self.server.ranges_known or stale:
            return 0
        return int(wanted.removeprefix("bytes=").rstrip("-"))

    def answer(self, code, content=b"", **headers):
        """Send it, cut off where the server is told to."""
        self.send_response(code)
        if tag := self.server.tags.get(self.path):
            headers = {"ETag": tag, **headers}
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts else None
        self.wfile.write(content[:cut])
        if cut is not None:
            self.close_connection = True


@contextmanager
def serving():
    """A server that runs meanwhile."""
    with MoodyServer() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()
