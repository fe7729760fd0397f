"""The review page's server: loopback only, a token in every address, nothing of a request ever names a file.

The addresses and what they answer are in `docs/review.md`.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from importlib import resources
from typing import Annotated, Any, Literal

import shapely
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from slumpmap.errors import InputError
from slumpmap.review.editing import EditError
from slumpmap.review.handing import hand_in
from slumpmap.review.opinion import CRITERIA, REASONS, Opinion
from slumpmap.review.room import Room
from slumpmap.review.store import OutdatedError, State, TakenError

LOOPBACK = "127.0.0.1"
# No request of the page comes near this, boundaries of 20,000 corners included.
_LARGEST_BODY = 2_000_000
_LONGEST_STAY_S = 3600.0
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_PICTURES_KEPT = "private, max-age=3600"
_ASSETS = {
    "index.html": "text/html; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "app.css": "text/css; charset=utf-8",
    "THIRD_PARTY.txt": "text/plain; charset=utf-8",
}

Name = Annotated[str, StringConstraints(pattern=r"^[0-9a-zA-Z-]{8,64}$")]


class RefusedError(Exception):
    """A request that is understood but not carried out.

    Args:
        status: HTTP status.
        error: one word for the page.
        message: for the reviewer.
    """

    def __init__(self, status: int, error: str, message: str) -> None:
        self.status, self.error, self.message = status, error, message
        super().__init__(message)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Entry(_Body):
    """A window that wants to act."""

    tab: Name
    take_over: bool = False


class Window(_Body):
    """A window."""

    tab: Name


class Act(_Body):
    """An opinion of an item."""

    act: Name
    tab: Name
    version: int = Field(ge=0)
    seconds: float = Field(ge=0, allow_inf_nan=False)
    decision: Opinion


class Undo(_Body):
    """The wish to take back the last act."""

    act: Name
    tab: Name


class Edit(_Body):
    """An edit of a boundary."""

    operation: Literal["check", "simplify", "repair", "split", "merge"]
    boundary: dict[str, Any]
    line: dict[str, Any] | None = None
    other: str | None = None


class Drawn(_Body):
    """What was drawn of a slump."""

    boundary: dict[str, Any] | None = None
    headwall: dict[str, Any] | None = None


def make_app(room: Room, token: str) -> FastAPI:
    """The application: every address begins with the token, and everything else is not found.

    Args:
        room: the review.
        token: secret part of the addresses.
    """
    app = FastAPI(redirect_slashes=False, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])
    app.middleware("http")(_guarded)
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)

    def must_know(token_given: Annotated[str, Path(alias="token")]) -> None:
        if not secrets.compare_digest(token_given.encode(), token.encode()):
            raise HTTPException(404)

    router = APIRouter(prefix="/{token}", dependencies=[Depends(must_know)])
    _page(router)
    _reading(router, room)
    _acting(router, room)
    app.include_router(router)
    return app


def _page(router: APIRouter) -> None:
    """The page and its files, which are read once: a request only chooses among them."""
    folder = resources.files("slumpmap.review") / "static"
    files = {name: (folder / name).read_bytes() for name in _ASSETS}

    @router.get("/")
    def page() -> Response:
        return Response(files["index.html"], media_type=_ASSETS["index.html"])

    @router.get("/assets/{name}")
    def asset(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        return Response(files[name], media_type=_ASSETS[name])


def _reading(router: APIRouter, room: Room) -> None:
    """Addresses that change nothing."""

    @router.get("/api/campaign")
    def campaign() -> dict[str, Any]:
        review = room.config.review
        return {
            "campaign": room.config.campaign,
            "iteration": room.iteration,
            "reviewer": room.reviewer,
            "role": "adjudicator" if room.adjudicates else "reviewer",
            "reviewers": list(review.reviewers) if room.adjudicates else [],
            "initiation_groups": room.initiation_groups,
            "reasons": [{"id": key, "label": label} for key, label in REASONS.items()],
            "criteria": [{"id": key, "label": label, "hint": hint} for key, (label, hint) in CRITERIA.items()],
            "hide_score": review.hide_score,
            "mmu_ha": room.config.candidates.mmu_ha,
            "mapping_year": room.config.imagery.mapping_year,
            "order": "value",
            "read_only": False,
        }

    @router.get("/api/items")
    def items() -> dict[str, Any]:
        return {"items": room.rows(), "left": room.left()}

    @router.get("/api/items/{item}")
    def item(item: int) -> dict[str, Any]:
        return room.described(_state(room, item))

    @router.get("/chips/{item}/{name}.jpg")
    def picture(item: int, name: str) -> Response:
        content = room.picture(_state(room, item).candidate, name)
        if content is None:
            raise HTTPException(404)
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": _PICTURES_KEPT})

    @router.post("/api/items/{item}/geometry")
    def geometry(item: int, edit: Edit) -> dict[str, Any]:
        line = None if edit.line is None else _shape(edit.line, "LineString")
        return room.edited(_state(room, item), edit.operation, _shape(edit.boundary, "Polygon"), line, edit.other)

    @router.post("/api/items/{item}/growth")
    def growth(item: int, drawn: Drawn) -> dict[str, Any]:
        state = _state(room, item)
        opinion = Opinion.model_validate(drawn.model_dump())
        return room.growth(state.candidate, opinion)


def _acting(router: APIRouter, room: Room) -> None:
    """Addresses that write."""

    @router.post("/api/session")
    def session(entry: Entry) -> dict[str, Any]:
        room.store.enter(entry.tab, entry.take_over)
        return {"ok": True}

    @router.post("/api/leave")
    def leave(window: Window) -> dict[str, Any]:
        room.store.leave(window.tab)
        return {"ok": True}

    @router.post("/api/items/{item}/decision")
    def decide(item: int, act: Act) -> dict[str, Any]:
        before = _state(room, item)
        fault = room.check(before.candidate, act.decision)
        if fault is not None:
            raise RefusedError(422, "invalid", fault)
        seconds = min(act.seconds, _LONGEST_STAY_S)
        state = room.store.decide(act.act, act.tab, item, act.version, seconds, act.decision)
        grown = room.growth(state.candidate, state.opinion) if state.opinion.verdict == "slump" else None
        return _told(room, state) | {"growth": grown}

    @router.post("/api/undo")
    def undo(wish: Undo) -> dict[str, Any]:
        state = room.store.undo(wish.act, wish.tab)
        if state is None:
            raise RefusedError(404, "nothing", "There is nothing to take back.")
        return _told(room, state)

    @router.post("/api/hand-in")
    def give(window: Window) -> dict[str, Any]:
        room.store.seen(window.tab)
        return hand_in(room)


def _told(room: Room, state: State) -> dict[str, Any]:
    row = room.row(state)
    return {"item": row, "version": state.version, "decision": state.opinion.model_dump(), "left": room.left()}


def _state(room: Room, item: int) -> State:
    state = room.state(item) if 0 < item < 2**31 else None
    if state is None:
        raise HTTPException(404)
    return state


def _shape(value: Mapping[str, Any], kind: str) -> shapely.Geometry:
    """A drawn geometry, which need not be valid; 422 where it is none."""
    try:
        shape = shapely.force_2d(shapely.from_geojson(json.dumps(value)))
    except (shapely.errors.GEOSException, TypeError, ValueError):
        shape = None
    if shape is None or shape.geom_type not in (kind, f"Multi{kind}"):
        raise RefusedError(422, "invalid", f"this is no {kind}")
    return shape


async def _guarded(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuses large requests and sets the headers that keep a browser from doing more than it should."""
    length = request.headers.get("content-length", "0")
    if request.method == "POST" and (not length.isdigit() or int(length) > _LARGEST_BODY):
        response: Response = _refusal(413, "large", "This is more than the page ever sends.")
    elif request.method == "POST" and "content-length" not in request.headers:
        response = _refusal(411, "length", "The length of the request is missing.")
    else:
        response = await call_next(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _refusal(status: int, error: str, message: str, **more: Any) -> JSONResponse:
    return JSONResponse({"error": error, "message": message, **more}, status)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, AnyHTTPException)
    return _refusal(error.status_code, "http", str(error.detail))


async def _not_done(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return _refusal(error.status, error.error, error.message)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    message = first["msg"].removeprefix("Value error, ")
    return _refusal(422, "invalid", f"{place}: {message}" if place else message)


async def _cannot_edit(_: Request, error: Exception) -> Response:
    return _refusal(422, "edit", str(error))


async def _taken(_: Request, error: Exception) -> Response:
    assert isinstance(error, TakenError)
    return _refusal(409, "taken", "Another window works under this name.", since=error.seen)


async def _outdated(_: Request, error: Exception) -> Response:
    assert isinstance(error, OutdatedError)
    current = {"version": error.current.version, "decision": error.current.opinion.model_dump()}
    return _refusal(409, "version", "This candidate was changed since it was shown.", current=current)


async def _refused(_: Request, error: Exception) -> Response:
    return _refusal(409, "file", str(error))


_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    AnyHTTPException: _http_error,
    RefusedError: _not_done,
    RequestValidationError: _invalid,
    EditError: _cannot_edit,
    TakenError: _taken,
    OutdatedError: _outdated,
    InputError: _refused,
}


class _Server(uvicorn.Server):
    """A server that returns when it is told to stop: uvicorn would raise the signal again, and nobody would hand in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {kind: signal.signal(kind, self.handle_exit) for kind in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)


def serve(room: Room, port: int, announce: Callable[[str], None]) -> None:
    """Serves the page until the process is told to stop.

    Token and port are kept with the reviewer's acts: after a crash the page that is still open goes on by itself.

    Args:
        room: the review.
        port: port of the loopback interface; 0: the last one, or any where that is in use.
        announce: called with the page's address when the server listens.

    Raises:
        InputError: the port is in use.
    """
    token = room.store.fact("token") or secrets.token_urlsafe(24)
    with _listening(port, int(room.store.fact("port") or 0)) as listening:
        number = listening.getsockname()[1]
        room.store.set_fact("token", token)
        room.store.set_fact("port", str(number))
        config = uvicorn.Config(
            make_app(room, token), log_level="warning", access_log=False, timeout_graceful_shutdown=5
        )
        announce(f"http://{LOOPBACK}:{number}/{token}/")
        _Server(config).run([listening])


def _listening(port: int, last_port: int) -> socket.socket:
    """A socket that listens on the loopback interface."""
    wanted = (port,) if port else (last_port, 0)
    for number in wanted:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((LOOPBACK, number))
        except OSError:
            listening.close()
            continue
        listening.listen()
        return listening
    raise InputError(f"--port {port}", "the port is in use", "leave it out, or take another")
