"""No key, token or login in any text that leaves slumpmap."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from providers import KEY, Fault, Providers
from scenes import add_planet, grid

from slumpmap.acquire.download import Fetched
from slumpmap.acquire.receipts import write_receipt
from slumpmap.acquire.secrets import redact, shown, without_secrets
from slumpmap.cli import app
from slumpmap.errors import InputError
from slumpmap.files import write_text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=50), st.text(max_size=50))
def test_key_never_stays(before: str, after: str) -> None:
    assert KEY not in redact(before + KEY + after)


def test_what_is_hidden_and_what_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "abc/def+ghi=12345")
    monkeypatch.setenv("PL_API_KEY", KEY)
    monkeypatch.setenv("MY_TOKEN", "short")
    text = "GET https://u:pw12@api.planet.com/a?token=eyJhbGciOi.x&b=1 abc%2Fdef%2Bghi%3D12345"
    hidden = redact(f"{text} Authorization: api-key foobar12 authorization='Basic dTpwd2Q=' {KEY} short 12 scenes?")
    for part in ("pw12", "eyJ", "abc%2F", "foobar12", "dTpwd2Q=", KEY):
        assert part not in hidden
    for part in ("https://", "api.planet.com/a?", "short", "12 scenes?"):
        assert part in hidden
    assert shown("https://u:p@host.org:8443/a/b.tif?sig=x#y") == "https://host.org:8443/a/b.tif"


def test_unknown_errors_are_redacted_too() -> None:
    with pytest.raises(InputError) as caught, without_secrets():
        raise RuntimeError(f"https://x.org/?token=abcdefgh and {KEY}")
    assert KEY not in str(caught.value) and "abcdefgh" not in str(caught.value) and "RuntimeError" in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_receipt_holds_no_secret_whatever_it_is_given(tmp_path: Path) -> None:
    got = Fetched(tmp_path / "a.tif", f"https://x.org/a.tif?sig=abcdefgh&key={KEY}", 1, "00", "size")
    write_receipt(tmp_path, "one", {"note": f"Authorization: api-key {KEY}"}, [], [got])
    text = (tmp_path / "receipts" / "one.json").read_text()
    assert KEY not in text and "abcdefgh" not in text
    assert json.loads(text)["downloads"][0]["from"] == "https://x.org/a.tif?[hidden]"


def run(world: Providers, folder: Path) -> tuple[int, str]:
    """`slumpmap fetch scenes`; exit status and all that it says."""
    write_text(folder / "grid.json", grid().to_json())
    options = ["--scenes=planetscope", f"--planet-api={world.url}", "--attempts=3", "--wait-s=0.01", "--poll-s=0.01"]
    command = [
        "fetch",
        "scenes",
        "--grid",
        str(folder / "grid.json"),
        "--years=2019",
        "--requests-per-second=500",
        *options,
    ]
    done = CliRunner().invoke(app, [*command, "--out", str(folder / "scenes.gpkg")])
    return done.exit_code, f"{done.output}\n{done.exception!r}"


def check_nothing_told(world: Providers, folder: Path, said: str) -> None:
    """Neither the key nor a token of a signed link stands in a text or a file."""
    secrets = [KEY, *world.tokens]
    assert not [secret for secret in secrets if secret in said]
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [secret for secret in secrets if secret.encode() in content], path


FAULTS = {
    "none": [],
    "key refused": [Fault("/data", status=401, times=9)],
    "no right": [Fault("/compute/ops/orders", status=403, times=9)],
    "server down": [Fault("/data", status=500, times=99)],
    "lost": [Fault("/compute/ops/download", "drop", times=99)],
    "broken off": [Fault("/compute/ops/download", "truncate", times=99, after=100)],
    "corrupt": [Fault("/compute/ops/download", "corrupt", times=99)],
    "expired": [Fault("/compute/ops/download", status=403, times=99)],
}


@pytest.mark.parametrize("case", FAULTS)
def test_no_secret_in_files_messages_or_logs(
    world: Providers, tmp_path: Path, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    """Also with every logger of the libraries at its most talkative."""
    caplog.set_level(logging.DEBUG)
    add_planet(world, "20190721_041233_1005")
    world.faults = [Fault(**vars(fault)) for fault in FAULTS[case]]
    status, said = run(world, tmp_path)
    assert (status == 0) == (case == "none"), said
    check_nothing_told(world, tmp_path, said)
    assert not [secret for secret in (KEY, *world.tokens) if secret in caplog.text]
    assert "connectionpool" in caplog.text or case in ("key refused", "no right", "server down")
    assert world.tokens or case in ("key refused", "no right", "server down")
