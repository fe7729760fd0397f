"""A server on this machine that behaves like Planet's APIs, a STAC API, a signer; and fails on demand."""

from __future__ import annotations

import hashlib
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from shapely.geometry import shape

KEY = "PLAKtest0123456789abcdef0123456789"


@dataclass
class Fault:
    """What goes wrong with the next requests to paths that begin so.

    Args:
        path: beginning of the path.
        kind: `status`, `truncate`, `corrupt`, `drop`, `no_range`, `lost_answer`.
        times: requests that it hits.
        status: answered by `status`.
        after: bytes that are sent by `truncate`.
        headers: further headers of `status`.
        method: of the requests; None: any.
    """

    path: str
    kind: str = "status"
    times: int = 1
    status: int = 500
    after: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    method: str | None = None


@dataclass
class Request:
    """A request that came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    time: float


class Providers:
    """What the server has, and what was asked of it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.versions: dict[str, int] = {}
        self.no_validator: set[str] = set()
        self.weak: set[str] = set()
        self.signed: set[str] = set()
        self.tokens: dict[str, bool] = {}
        self.scenes: list[dict[str, Any]] = []
        self.bundles: dict[str, dict[str, bytes]] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.manifest_edits: dict[str, dict[str, Any]] = {}
        self.end_state = "success"
        self.next_host: str | None = None
        self.items: list[dict[str, Any]] = []
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.at_once = self.most_at_once = 0
        self.hold = 0.0
        self.lock = threading.Lock()
        self.url = ""

    def asked(self, path: str, method: str | None = None) -> list[Request]:
        """Requests so far to paths that begin so."""
        return [r for r in self.requests if r.path.startswith(path) and method in (None, r.method)]

    def fault_for(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and path.startswith(fault.path) and fault.method in (None, method):
                    fault.times -= 1
                    return fault
        return None

    def token(self) -> str:
        name = uuid.uuid4().hex
        self.tokens[name] = True
        return name

    def expire(self) -> None:
        """Lets all links that were given out run out."""
        self.tokens = dict.fromkeys(self.tokens, False)

    def etag(self, path: str) -> str:
        return f'"{self.versions.get(path, 1)}-{len(self.files[path])}"'

    # Planet

    def matching(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        found = [scene for scene in self.scenes if _matches(scene, wanted)]
        return sorted(found, key=lambda scene: scene["properties"]["acquired"])

    def place(self, body: dict[str, Any]) -> dict[str, Any]:
        order = {
            "id": str(uuid.uuid4()),
            "name": body["name"],
            "state": "queued",
            "created_on": datetime.now(UTC).isoformat(),
            "products": body["products"],
            "tools": body.get("tools"),
        }
        self.orders[order["id"]] = order
        return order

    def shown_order(self, order: dict[str, Any]) -> dict[str, Any]:
        if order["state"] not in ("success", "partial"):
            return order | {"_links": {"_self": f"{self.url}/compute/ops/orders/v2/{order['id']}"}}
        results = [
            {
                "name": name,
                "location": f"{self.url}/compute/ops/download/{name}?token={self.token()}",
                "delivery": "success",
                "expires_at": "2030-01-01T00:00:00Z",
            }
            for name in self.delivered(order)
        ]
        return order | {"_links": {"results": results}}

    def delivered(self, order: dict[str, Any]) -> list[str]:
        """Names of the files of an order, which are put among the files."""
        root, entries = order["id"], []
        for item in order["products"][0]["item_ids"]:
            for name, content in self.bundles[item].items():
                path = f"PSScene/{name}"
                self.files[f"/compute/ops/download/{root}/{path}"] = content
                entry = {
                    "path": path,
                    "media_type": "image/tiff",
                    "size": len(content),
                    "digests": {
                        "md5": hashlib.md5(content).hexdigest(),
                        "sha256": hashlib.sha256(content).hexdigest(),
                    },
                }
                entries.append(entry | self.manifest_edits.get(name, {}))
        manifest = json.dumps({"name": "", "files": entries}).encode()
        self.files[f"/compute/ops/download/{root}/manifest.json"] = manifest
        return [f"{root}/manifest.json", *(f"{root}/{entry['path']}" for entry in entries)]

    # STAC

    def stac_matching(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        area = shape(body["intersects"])
        most = (body.get("query") or {}).get("eo:cloud_cover", {}).get("lte", 100)
        start, _, end = (body.get("datetime") or "0000/9999").partition("/")
        return [
            item
            for item in self.items
            if item["collection"] in body["collections"]
            and shape(item["geometry"]).intersects(area)
            and item["properties"].get("eo:cloud_cover", 0) <= most
            and start <= item["properties"]["datetime"] <= end
        ]


def _matches(scene: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Planet's filters, as far as they are asked."""
    kind, config, said = wanted["type"], wanted["config"], scene["properties"]
    if kind == "AndFilter":
        return all(_matches(scene, part) for part in config)
    if kind == "OrFilter":
        return any(_matches(scene, part) for part in config)
    if kind == "DateRangeFilter":
        return config.get("gte", "") <= said[wanted["field_name"]] < config.get("lt", "9")
    if kind == "RangeFilter":
        return bool(said[wanted["field_name"]] <= config["lte"])
    if kind == "GeometryFilter":
        return bool(shape(scene["geometry"]).intersects(shape(config)))
    if kind == "StringInFilter":
        return said[wanted["field_name"]] in config
    if kind == "AssetFilter":
        return bool(set(config) & set(scene["assets"]))
    raise AssertionError(f"unknown filter {kind}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: Providers

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def _serve(self, method: str) -> None:
        world, parts = self.world, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        sent = json.loads(body) if body else None
        world.requests.append(Request(method, parts.path, query, dict(self.headers), sent, time.monotonic()))
        with world.lock:
            world.at_once += 1
            world.most_at_once = max(world.most_at_once, world.at_once)
        try:
            time.sleep(world.hold)
            fault = world.fault_for(method, parts.path)
            if fault and fault.kind == "drop":
                self.close_connection = True
                self.connection.close()
            elif fault and fault.kind == "status":
                self._send(fault.status, b"the server is sorry", fault.headers)
            else:
                self._answer(method, parts.path, query, sent, fault)
        except (BrokenPipeError, ConnectionResetError, ValueError):
            self.close_connection = True
        finally:
            with world.lock:
                world.at_once -= 1

    def _answer(self, method: str, path: str, query: dict[str, str], sent: Any, fault: Fault | None) -> None:
        world = self.world
        if path in world.files:
            self._file(path, query, fault)
        elif path.startswith(("/data/v1", "/compute/ops")):
            if self.headers.get("Authorization") != f"api-key {KEY}":
                self._send(401, b'{"general": [{"message": "Please enter your API key"}]}')
            else:
                self._planet(method, path, query, sent, fault)
        elif path == "/sign":
            self._json({"href": f"{query['href']}?sig={world.token()}", "msft:expiry": "2030-01-01T00:00:00Z"})
        elif path.startswith("/stac"):
            self._stac(method, path, sent)
        else:
            self._send(404, b"no such thing")

    def _planet(self, method: str, path: str, query: dict[str, str], sent: Any, fault: Fault | None) -> None:
        world = self.world
        if path == "/data/v1/quick-search" and method == "POST":
            self._page(world.matching(sent["filter"]), 0)
        elif path == "/data/v1/searches/s/results":
            self._page(world.matching(json.loads(query["filter"])), int(query["start"]))
        elif path == "/compute/ops/orders/v2" and method == "POST":
            placed = world.place(sent)
            if fault and fault.kind == "lost_answer":
                self.close_connection = True
                self.connection.close()
            else:
                self._json(placed, 202)
        elif path == "/compute/ops/orders/v2":
            found = [order for order in world.orders.values() if order["name"] == query.get("name", order["name"])]
            self._json({"orders": found, "_links": {}})
        elif path.rpartition("/")[2] in world.orders:
            order = world.orders[path.rpartition("/")[2]]
            following = {"queued": "running", "running": world.end_state}
            order["state"] = following.get(order["state"], order["state"])
            self._json(world.shown_order(order))
        else:
            self._send(404, b'{"general": [{"message": "not found"}]}')

    def _page(self, found: list[dict[str, Any]], start: int) -> None:
        """Two scenes a page, as a search with more than 250 has several."""
        links = {}
        if start + 2 < len(found):
            wanted = next(r.body for r in reversed(self.world.requests) if r.path == "/data/v1/quick-search")
            host = self.world.next_host or self.world.url
            links["_next"] = (
                f"{host}/data/v1/searches/s/results?start={start + 2}&filter={quote(json.dumps(wanted['filter']))}"
            )
        self._json({"features": found[start : start + 2], "_links": links, "type": "FeatureCollection"})

    def _stac(self, method: str, path: str, sent: Any) -> None:
        root = f"{self.world.url}/stac"
        if path == "/stac":
            conforms = [
                "https://api.stacspec.org/v1.0.0/core",
                "https://api.stacspec.org/v1.0.0/item-search",
                "https://api.stacspec.org/v1.0.0/item-search#query",
            ]
            links = [
                {"rel": "self", "href": root},
                {"rel": "root", "href": root},
                {"rel": "search", "href": f"{root}/search", "type": "application/geo+json", "method": "POST"},
            ]
            landing = {"type": "Catalog", "id": "local", "description": "local", "stac_version": "1.0.0"}
            self._json(landing | {"conformsTo": conforms, "links": links})
        elif path == "/stac/search" and method == "POST":
            found, start = self.world.stac_matching(sent), int(sent.get("token", 0))
            links = []
            if start + 2 < len(found):
                body = sent | {"token": start + 2}
                links.append({"rel": "next", "href": f"{root}/search", "method": "POST", "body": body})
            self._json({"type": "FeatureCollection", "features": found[start : start + 2], "links": links})
        else:
            self._send(404, b"no such thing")

    def _file(self, path: str, query: dict[str, str], fault: Fault | None) -> None:
        world, content = self.world, self.world.files[path]
        if path.startswith("/compute/ops/download/") and not world.tokens.get(query.get("token", "")):
            self._send(403, b'{"message": "token expired"}')
            return
        if path in world.signed and not world.tokens.get(query.get("sig", "")):
            self._send(403, b"<Error><Code>AuthenticationFailed</Code></Error>")
            return
        etag = world.etag(path)
        headers = {} if path in world.no_validator else {"ETag": etag, "Last-Modified": formatdate(0, usegmt=True)}
        if path in world.weak:
            headers["ETag"] = f"W/{etag}"
        start, status = 0, 200
        wanted = self.headers.get("Range")
        if wanted and not (fault and fault.kind == "no_range") and self.headers.get("If-Range", etag) == etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        part = content[start:]
        if fault and fault.kind == "corrupt":
            part = bytes([part[0] ^ 1]) + part[1:]
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(part)), "Accept-Ranges": "bytes"}.items():
            self.send_header(name, value)
        self.end_headers()
        if fault and fault.kind == "truncate":
            self.wfile.write(part[: fault.after])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
        else:
            self.wfile.write(part)

    def _json(self, value: Any, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Says nothing of clients that hang up."""


@contextmanager
def running() -> Iterator[Providers]:
    """A server on a free port of the loopback interface."""
    world = Providers()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"world": world}))
    world.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield world
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
