"""A stand-in for servers of the OpenAI API, for what real ones cannot be made to show.

It answers like a server whose model is a hash of what it is shown, and does what a test tells it:
429 with ``Retry-After``, errors, broken connections, slow answers, pages in place of JSON,
refusals. It keeps every request, so that a test can count what was asked and what was answered.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

LABELS = "01234567"


@dataclass
class Asked:
    """A request as it came: the JSON of its body, or the fields and files of its parts."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    files: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Equal for equal requests."""
        files = [[name, hashlib.sha256(data).hexdigest()] for name, data in self.files]
        text = json.dumps([self.path, self.body, files], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def image(self, number: int = 0) -> Image.Image:
        """One of the images that were sent."""
        sent = [Image.open(io.BytesIO(data)) for name, data in self.files if "image" in name]
        for part in self.parts("image_url"):
            data = part["image_url"]["url"].partition("base64,")[2]
            sent.append(Image.open(io.BytesIO(base64.b64decode(data))))
        return sent[number]

    def parts(self, kind: str) -> list[dict[str, Any]]:
        """Parts of the message, of one type."""
        messages = self.body.get("messages") or [{"content": []}]
        return [part for part in messages[0]["content"] if part["type"] == kind]


@dataclass
class Reply:
    """What is sent back; the pieces of a body follow each other after ``pause`` seconds each."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0.0
    #: The connection is broken after so many bytes of the body.
    cut: int | None = None
    #: Bytes that are sent at a time, None for all at once.
    piece: int | None = None

    @property
    def data(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body).encode()


Behaviour = Callable[[Asked], Reply]


class StandIn:
    """The server: ``behaviour`` says what it does, :func:`well` if nothing else."""

    def __init__(self, behaviour: Behaviour | None = None, port: int = 0) -> None:
        self.behaviour: Behaviour = behaviour or well
        self.asked: list[Asked] = []
        #: Digests of requests that were answered to the last byte with 200.
        self.answered: Counter[str] = Counter()
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: Any) -> None:
                pass

            def do_GET(self) -> None:
                body = {"object": "list", "data": [{"id": "toy-2026-01-01", "owned_by": "tests"}]}
                stand_in._send(self, Reply(body=body))

            def do_POST(self) -> None:
                stand_in._handle(self)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *arguments: Any) -> None:
                pass  # a client that was killed

        self._server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self.resource = f"server_127_0_0_1_{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def speak_tls(self, certificate: Path) -> None:
        """From now on, with a certificate and its key from one file."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forget(self) -> None:
        self.asked.clear()
        self.answered.clear()

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        data = handler.rfile.read(int(handler.headers["Content-Length"]))
        asked = _parsed(handler, data)
        with self._lock:
            self.asked.append(asked)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            reply = self.behaviour(asked)
            if isinstance(reply.body, dict) and "id" in reply.body:
                reply.body["id"] = asked.digest
            if reply.piece is None:
                time.sleep(reply.pause)
        finally:
            with self._lock:
                self._at_once -= 1
        if self._send(handler, reply) and reply.status == 200:
            with self._lock:
                self.answered[asked.digest] += 1

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> bool:
        """Whether the whole of it could be sent."""
        data = reply.data
        try:
            handler.send_response(reply.status)
            kind = "text/html" if data[:1] == b"<" else "application/json"
            for name, value in ({"Content-Type": kind} | reply.headers).items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            if reply.cut is not None:
                handler.wfile.write(data[: reply.cut])
                handler.wfile.flush()
                handler.close_connection = True
                return False
            size = reply.piece or len(data) or 1
            for start in range(0, len(data), size):
                handler.wfile.write(data[start : start + size])
                handler.wfile.flush()
                if reply.piece is not None:
                    time.sleep(reply.pause)
        except OSError:
            handler.close_connection = True
            return False
        return True


def _parsed(handler: BaseHTTPRequestHandler, data: bytes) -> Asked:
    headers = {name.lower(): value for name, value in handler.headers.items()}
    kind = headers.get("content-type", "")
    if not kind.startswith("multipart/"):
        return Asked(handler.path, headers, json.loads(data))
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + kind.encode() + b"\n\n" + data
    )
    fields: dict[str, Any] = {}
    files = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if part.get_filename():
            files.append((name, content))
        else:
            assert name not in fields
            fields[name] = content.decode()
    return Asked(handler.path, headers, fields, files)


def number_of(asked: Asked) -> int:
    """A number that only the request determines."""
    return int(asked.digest[:6], 16)


def usage(prompt: int = 1000, completion: int = 10) -> dict[str, int]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def chat(content: Any = None, **choice: Any) -> dict[str, Any]:
    """The body of an answer."""
    message = {"role": "assistant", "content": content, "refusal": choice.pop("refusal", None)}
    return {
        "id": "x",
        "object": "chat.completion",
        "model": "toy-2026-01-01",
        "system_fingerprint": "fp_1",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}],
        "usage": usage(),
    }


def logprobs(probabilities: dict[str, float]) -> dict[str, Any]:
    """Log probabilities of one token, as a choice has them."""
    listed = [
        {"token": token, "logprob": math.log(value) if value else -9999.0, "bytes": None}
        for token, value in probabilities.items()
    ]
    return {"content": [{**listed[0], "top_logprobs": listed}]}


def well(asked: Asked) -> Reply:
    """A judge's answer by whatever method it is asked for."""
    number = number_of(asked)
    if asked.body.get("logprobs"):
        label = LABELS[1 + number % 7]
        rest = {other: 0.01 for other in LABELS if other != label}
        return Reply(body=chat(label, logprobs=logprobs({label: 0.9, **rest})))
    schema = asked.body["response_format"]["json_schema"]["schema"]
    scores = {
        name: 1 + (number + place) % 7 if "enum" in part else "because"
        for place, (name, part) in enumerate(schema["properties"].items())
    }
    return Reply(body=chat(json.dumps(scores)))


def edited(asked: Asked, **changes: Any) -> Reply:
    """An edit as each server sends it: the source inverted, of the size that was asked for."""
    wanted = asked.body.get("size")
    if wanted is None:
        wanted = "{width}x{height}".format(**asked.body["extra_body"])
    width, height = map(int, wanted.split("x"))
    image = ImageOps.invert(asked.image().convert("RGB")).resize((width, height))
    text = base64.b64encode(_png(changes.pop("image", image))).decode()
    if asked.path.endswith("/chat/completions"):
        part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{text}"}}
        return Reply(body=chat([part]))
    counted = {"input_tokens": 300, "output_tokens": 4000, "total_tokens": 4300,
               "input_tokens_details": {"image_tokens": 250, "text_tokens": 50}}  # fmt: skip
    return Reply(body={"created": 1, "data": [{"b64_json": text}], "usage": counted, **changes})


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@contextmanager
def standing_in(behaviour: Behaviour | None = None) -> Iterator[StandIn]:
    """A server for the ``with`` block."""
    server = StandIn(behaviour)
    try:
        yield server
    finally:
        server.close()
