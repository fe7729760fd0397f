"""Keys come from the environment and go nowhere else: no log, no message, no file that we write holds one."""

from __future__ import annotations

import logging
import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

from slumpmap.errors import InputError

PLANET_KEY = "PL_API_KEY"
# Whatever a variable with such a name holds is left out of every text, whether or not we use it.
_SECRET_NAMES = re.compile(r".*(KEY|SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL).*", re.I)
# Shorter values are words such as "true", which must stay readable.
_SHORTEST = 8
_HIDDEN = "[hidden]"
_QUERY = re.compile(r"(?<=\?)[^\s\"'<>)]*=[^\s\"'<>)]*")
_LOGIN = re.compile(r"(?<=://)[^\s/@]+:[^\s/@]+(?=@)")
_HEADER = re.compile(
    r"(?i)\b(authorization\W{1,4}(?:(?:api-key|basic|bearer)\s+)?|api-key\s+|basic\s+|bearer\s+)[A-Za-z0-9+/=_.~-]{6,}"
)
_LOCAL = {"127.0.0.1", "localhost", "::1"}


def planet_key() -> str:
    """The key of the Planet account.

    Raises:
        InputError: the environment has none.
    """
    key = os.environ.get(PLANET_KEY, "").strip()
    if not key:
        raise InputError(
            PLANET_KEY,
            "the environment has no key of a Planet account",
            f"set it in the shell that starts slumpmap (`read -rs {PLANET_KEY}; export {PLANET_KEY}`), in no file",
        )
    return key


def redact(text: str) -> str:
    """The text without keys of the environment, queries of addresses (signed links), logins and tokens."""
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and _SECRET_NAMES.fullmatch(name):
            for form in {value, value.strip(), quote(value, safe="")}:
                text = text.replace(form, _HIDDEN)
    for pattern in (_QUERY, _LOGIN):
        text = pattern.sub(_HIDDEN, text)
    return _HEADER.sub(lambda found: found[1] + _HIDDEN, text)


def shown(url: str) -> str:
    """An address as messages and receipts show it: without login and query."""
    parts = urlsplit(url)
    return redact(f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}")


def check_address(url: str, key: str) -> str:
    """An address that may be asked: https, or http on this machine.

    Args:
        url: the address.
        key: where it comes from, for the message.

    Raises:
        InputError: another scheme, or no host.
    """
    parts = urlsplit(url)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)):
        raise InputError(key, f"address {shown(url)!r} is no https address", "give one that begins with https://")
    return url.rstrip("/")


@contextmanager
def without_secrets() -> Iterator[None]:
    """Lets no error out of the block but with its text redacted, tracebacks included; nor a line of any logger."""
    plain = logging.getLogRecordFactory()

    def redacted(*args: Any, **options: Any) -> logging.LogRecord:
        record = plain(*args, **options)
        record.msg, record.args = redact(record.getMessage()), ()
        return record

    logging.setLogRecordFactory(redacted)
    try:
        yield
    except InputError as error:
        raise InputError(redact(error.source), redact(error.fault), redact(error.remedy)) from None
    except Exception:
        fault = redact(traceback.format_exc().strip())
        raise InputError("fetch", f"an error that slumpmap does not know\n{fault}\n", "report it") from None
    finally:
        logging.setLogRecordFactory(plain)
