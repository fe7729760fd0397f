"""The server on a real socket: who gets in, what is refused, and what the answers look like."""

import http.client
import json
import threading
import uuid

import pytest
import shapely
from room_maker import Campaign, square

from slumpmap.errors import InputError
from slumpmap.review.room import Room
from slumpmap.review.server import serve


class Client:
    """A browser without a screen."""

    def __init__(self, address):
        self.host, self.base = address.removeprefix("http://").split("/", 1)
        self.base = f"/{self.base}"
        self.tab = str(uuid.uuid4())

    def send(self, method, path, body=None, headers=None, base=None):
        """Status, headers and body of a request, JSON decoded where it is JSON."""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        sent = {"Content-Type": "application/json"} | (headers or {})
        connection.request(method, (self.base if base is None else base) + path, content, sent)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        kind = answer.headers.get("content-type", "")
        return answer.status, answer.headers, json.loads(data) if "json" in kind else data

    def get(self, path):
        return self.send("GET", path)[::2]

    def post(self, path, **body):
        return self.send("POST", path, body)[::2]

    def decide(self, item, version, **decision):
        body = {"act": str(uuid.uuid4()), "tab": self.tab, "version": version, "seconds": 1.5, "decision": decision}
        return self.post(f"api/items/{item}/decision", **body)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    made = Campaign(tmp_path_factory.mktemp("server"), [(300, 300), (700, 400), (1200, 600)])
    made.render()
    return made


@pytest.fixture(scope="module")
def client(campaign):
    room = Room(campaign.config, 1, "anna")
    told, ready = [], threading.Event()

    def announce(address):
        told.append(address)
        ready.set()

    threading.Thread(target=serve, args=(room, 0, announce), daemon=True).start()
    assert ready.wait(30)
    made = Client(told[0])
    made.post("api/session", tab=made.tab)
    return made


def test_it_listens_on_loopback_only(client):
    assert client.host.startswith("127.0.0.1:")


def test_the_token_is_long_and_needed_for_every_address(client):
    assert len(client.base.strip("/")) >= 32
    for base in ("/", "/wrong/", client.base[:-2] + "/", f"/{client.base.strip('/')}x/", "//"):
        for path in ("", "api/campaign", "api/items", "assets/app.js", "chips/1/0.jpg"):
            status, _, answer = client.send("GET", path, base=base)
            assert status == 404, (base, path)
            assert "anna" not in str(answer)


def test_other_host_names_are_refused(client):
    """A page elsewhere whose name was made to point here (DNS rebinding) gets nothing."""
    assert client.send("GET", "api/campaign", headers={"Host": "evil.example"})[0] == 400


def test_the_browser_is_told_to_load_nothing_from_elsewhere(client):
    for path in ("", "api/campaign", "chips/1/0.jpg", "nowhere"):
        _, headers, _ = client.send("GET", path)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_no_description_of_the_addresses_is_given_away(client):
    for path in ("docs", "redoc", "openapi.json"):
        assert client.get(path)[0] == 404
        assert client.send("GET", path, base="/")[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "assets/../server.py",
        "assets/..%2fserver.py",
        "assets/%2e%2e/server.py",
        "assets/server.py",
        "assets//etc/passwd",
        "chips/1/..%2f..%2fqueue.gpkg",
        "chips/1/meta.jpg",
        "chips/1/99.jpg",
        "chips/1/0.jpg%00.png",
        "chips/../../x.jpg",
        "chips/999999999999999999999/0.jpg",
        "chips/-1/0.jpg",
        "api/items/0",
        "api/items/4",
    ],
)
def test_names_of_requests_never_reach_the_disk(client, path):
    assert client.get(path)[0] in (404, 422)


def test_the_page_and_its_files(client):
    status, headers, page = client.send("GET", "")
    assert status == 200 and headers["content-type"].startswith("text/html")
    assert b"<script" in page and b"http" not in page.split(b"</head>")[0].replace(b"http-equiv", b"")
    for name in ("app.js", "app.css", "THIRD_PARTY.txt"):
        assert client.get(f"assets/{name}")[0] == 200


def test_the_campaign_and_its_queue(client):
    campaign = client.get("api/campaign")[1]
    assert (campaign["reviewer"], campaign["role"], campaign["iteration"]) == ("anna", "reviewer", 1)
    assert campaign["criteria"][0]["id"] == "headwall_highest"
    items = client.get("api/items")[1]["items"]
    assert [item["item"] for item in items] == [1, 2, 3]


def test_a_picture_is_a_jpeg_that_the_browser_may_keep(client):
    status, headers, content = client.send("GET", "chips/1/0.jpg")
    assert (status, headers["content-type"], content[:2]) == (200, "image/jpeg", b"\xff\xd8")
    assert "private" in headers["cache-control"]


def test_deciding_and_taking_back(client):
    status, answer = client.decide(1, 0, verdict="reject", reason="shadow")
    assert (status, answer["version"], answer["item"]["verdict"]) == (200, 1, "reject")
    status, answer = client.decide(1, 0, verdict="unsure")
    assert (status, answer["error"], answer["current"]["decision"]["verdict"]) == (409, "version", "reject")
    status, answer = client.post("api/undo", act=str(uuid.uuid4()), tab=client.tab)
    assert (status, answer["item"]["item"], answer["decision"]["verdict"]) == (200, 1, None)
    assert client.post("api/undo", act=str(uuid.uuid4()), tab=client.tab)[0] == 404


def test_a_verdict_is_saved_though_the_yearly_probabilities_are_damaged(client, campaign):
    (campaign.iteration / "review/yearly").mkdir()
    for tile in campaign.grid.tiles:
        (campaign.iteration / f"review/yearly/{tile.id}.zip").write_bytes(b"no archive")
    status, answer = client.decide(1, client.get("api/items/1")[1]["version"], verdict="slump", probability="low")
    assert (status, answer["item"]["verdict"]) == (200, "slump")
    assert "cannot be read" in answer["growth"]["unavailable"]
    assert client.post("api/undo", act=str(uuid.uuid4()), tab=client.tab)[0] == 200


def test_a_second_window_is_told(client):
    other = str(uuid.uuid4())
    assert client.post("api/session", tab=other)[0] == 409
    status, answer = client.post("api/hand-in", tab=other)
    assert (status, answer["error"]) == (409, "taken")
    assert client.post("api/session", tab=other, take_over=True)[0] == 200
    assert client.decide(3, 0, verdict="unsure")[0] == 409
    assert client.post("api/session", tab=client.tab, take_over=True)[0] == 200


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        ({"verdict": "slump"}, "probability"),
        ({"verdict": "slump", "probability": "certain"}, "high"),
        ({"verdict": "slump", "probability": "high", "initiation": "1066"}, "initiation"),
        ({"verdict": "reject", "is_slump": True}, "is_slump"),
        ({"verdict": "slump", "probability": "low", "boundary": {"type": "Polygon", "coordinates": []}}, "boundary"),
        (
            {"verdict": "slump", "probability": "low", "boundary": shapely.geometry.mapping(square(9e6, 0, 9))},
            "leaves the ground",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason_and_changes_nothing(client, decision, message):
    status, answer = client.decide(2, 0, **decision)
    assert status == 422
    assert message in answer["message"]
    assert client.get("api/items/2")[1]["version"] == 0


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'{"act": 1}', b"\xff\xfe", b'{"tab": "../../../x"}'])
def test_garbage_is_refused(client, body):
    for path in ("api/session", "api/items/2/decision", "api/undo", "api/hand-in", "api/items/2/geometry"):
        assert client.send("POST", path, body)[0] == 422


def test_requests_that_are_too_large_or_of_unknown_length_are_refused(client):
    assert client.send("POST", "api/session", b"x" * 2_000_001)[0] == 413
    assert client.send("POST", "api/session", iter([b"{}"]), {"Transfer-Encoding": "chunked"})[0] == 411


def test_edits_of_a_boundary(client):
    mapping = shapely.geometry.mapping
    own = square(300, 300, 60)
    status, answer = client.post("api/items/1/geometry", operation="check", boundary=mapping(own))
    assert (status, answer["valid"], answer["below_mmu"]) == (200, True, False)
    assert answer["area_ha"] == pytest.approx(0.36)
    west, south, east, north = own.bounds
    line = {"type": "LineString", "coordinates": [[west - 9, (south + north) / 2], [east + 9, (south + north) / 2]]}
    status, answer = client.post("api/items/1/geometry", operation="split", boundary=mapping(own), line=line)
    assert answer["boundary"]["type"] == "MultiPolygon"
    status, answer = client.post("api/items/1/geometry", operation="merge", boundary=mapping(own), other="p1")
    assert answer["area_ha"] == pytest.approx(0.36 + 0.16)
    status, answer = client.post("api/items/1/geometry", operation="merge", boundary=mapping(own), other="nobody")
    assert (status, answer["error"]) == (422, "edit")
    status, answer = client.post("api/items/1/geometry", operation="split", boundary=mapping(own))
    assert status == 422 and "Draw the line" in answer["message"]
    assert client.post("api/items/1/geometry", operation="explode", boundary=mapping(own))[0] == 422
    assert client.post("api/items/1/geometry", operation="check", boundary={"type": "Point"})[0] == 422


def test_handing_in_names_the_file(client, campaign):
    client.decide(3, 0, verdict="reject")
    status, answer = client.post("api/hand-in", tab=client.tab)
    assert (status, answer["decided"], answer["open"]) == (200, 1, 2)
    assert (campaign.folder / "decisions/01/anna.gpkg").exists()


def test_a_port_that_is_in_use_is_told(client, tmp_path):
    made = Campaign(tmp_path, [(300, 300)])
    made.render()
    with Room(made.config, 1, "ben") as room, pytest.raises(InputError, match="port is in use"):
        serve(room, int(client.host.split(":")[1]), print)
