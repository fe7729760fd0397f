"""Searching a STAC API, and the addresses of what it lists: public ones, S3's and signed ones."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from slumpmap.acquire.digests import from_multihash
from slumpmap.acquire.download import Remote, refusal
from slumpmap.acquire.patience import PASSING, Patience, Rate, retry_after
from slumpmap.acquire.secrets import check_address, shown
from slumpmap.errors import InputError
from slumpmap.settings.download import StacSettings

EARTH_SEARCH = "https://earth-search.aws.element84.com/v1"
PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
PLANETARY_SIGN = "https://planetarycomputer.microsoft.com/api/sas/v1/sign"

_PAGE = 100
Item = Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """A collection of a STAC API.

    Args:
        api: address of the API.
        collection: id of the collection.
        sign: address that signs the addresses of its files; None where they are public.
    """

    api: str
    collection: str
    sign: str | None = None

    def with_settings(self, settings: StacSettings) -> Source:
        """The source with what the configuration puts in its place."""
        sign = settings.sign_api if settings.stac_api else self.sign
        api = check_address(settings.stac_api or self.api, "fetch.stac_api")
        return Source(api, self.collection, None if sign is None else check_address(sign, "fetch.sign_api"))


def search(
    source: Source,
    area: BaseGeometry,
    windows: Sequence[tuple[datetime, datetime]],
    max_cloud: float | None,
    settings: StacSettings,
    most: int,
) -> list[Item]:
    """Items of a collection that touch an area, each once, ordered by time and id.

    Args:
        source: API and collection.
        area: in longitude and latitude.
        windows: start and end of the times that count; none: any time.
        max_cloud: largest `eo:cloud_cover`, as a share 0..1; None: any.
        settings: patience.
        most: more items than that are refused.

    Raises:
        InputError: the API refuses, cannot be reached, or finds nothing or too much.
    """
    query = None if max_cloud is None else {"eo:cloud_cover": {"lte": round(100 * max_cloud, 6)}}
    times: list[str | None] = [
        f"{start:%Y-%m-%dT%H:%M:%SZ}/{end - timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}" for start, end in windows
    ]
    items: dict[str, Item] = {}
    for text in times or [None]:
        for item in _pages(source, area, text, query, settings):
            items[str(item.get("id"))] = item
            if len(items) > most:
                raise InputError(
                    "fetch.max_scenes",
                    f"the search finds more than {most} items",
                    "narrow years, months or max_cloud of imagery, or raise fetch.max_scenes",
                )
    if not items:
        raise InputError(
            shown(source.api),
            f"{source.collection} has nothing for the study area"
            + (f" in {', '.join(map(str, times))}" if times else ""),
            "loosen imagery.months or imagery.max_cloud, or check the study area",
        )
    return sorted(items.values(), key=lambda item: (str(item["properties"].get("datetime")), str(item["id"])))


def _pages(
    source: Source, area: BaseGeometry, times: str | None, query: Mapping[str, Any] | None, settings: StacSettings
) -> list[Item]:
    """All items of one search, by pystac-client."""
    from pystac_client import Client
    from pystac_client.exceptions import APIError
    from pystac_client.stac_api_io import StacApiIO
    from urllib3 import Retry

    retry = Retry(
        total=settings.attempts - 1,
        status_forcelist=sorted(PASSING),
        allowed_methods=None,  # a search by POST changes nothing
        backoff_factor=settings.wait_s,
        backoff_max=120,
        backoff_jitter=settings.wait_s,
        raise_on_status=False,
    )
    door = StacApiIO(timeout=settings.timeout_s, max_retries=retry)
    try:
        client = Client.open(source.api, stac_io=door)
        found = client.search(
            collections=[source.collection], intersects=mapping(area), datetime=times, query=query, limit=_PAGE
        )
        return list(found.items_as_dicts())
    except APIError as error:
        status = getattr(error, "status_code", None)
        if status is not None:
            raise refusal(int(status), shown(source.api)) from None
        raise InputError(
            shown(source.api),
            f"the search failed {settings.attempts} times in a row",
            "check the network; try again later",
        ) from None
    except (KeyError, TypeError, ValueError, NotImplementedError) as error:
        raise InputError(
            shown(source.api), f"it is no STAC API with item search ({type(error).__name__})", "correct fetch.stac_api"
        ) from None
    finally:
        door.session.close()


@dataclass
class Signer:
    """Signs addresses at a provider that wants it, and keeps each signature until it has run out.

    Args:
        sign: address that signs.
        patience: how often a request is repeated.
        rate: requests in a second.
        timeout_s: for an answer.
    """

    sign: str
    patience: Patience
    rate: Rate
    timeout_s: float
    _known: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, href: str, fresh: bool) -> str:
        """The signed address; with `fresh` a new one."""
        with self._lock:
            if fresh or href not in self._known:
                self._known[href] = self._ask(href)
            return self._known[href]

    def _ask(self, href: str) -> str:
        import requests

        for failures in range(1, self.patience.attempts + 1):
            self.rate.wait()
            asked: float | None = None
            try:
                answer = requests.get(f"{self.sign}?{urlencode({'href': href})}", timeout=self.timeout_s)
                if answer.status_code == 200:
                    return str(answer.json()["href"])
                if answer.status_code not in PASSING:
                    raise refusal(answer.status_code, shown(self.sign))
                asked, reason = retry_after(answer.headers.get("Retry-After")), f"it answered {answer.status_code}"
            except (requests.RequestException, json.JSONDecodeError, KeyError, TypeError) as error:
                reason = type(error).__name__
            if failures < self.patience.attempts:
                seconds = self.patience.delay(failures, asked)
                print(f"signing: {reason}; next try in {seconds:.1f} s", file=sys.stderr, flush=True)
                time.sleep(seconds)
        raise InputError(shown(self.sign), f"no signature after {failures} tries ({reason})", "try again later")


def asset(item: Item, names: Sequence[str]) -> Mapping[str, Any]:
    """The first asset of an item that has one of the names.

    Raises:
        InputError: it has none.
    """
    assets = item.get("assets") or {}
    for name in names:
        if name in assets:
            found: Mapping[str, Any] = assets[name]
            return found
    raise InputError(f"item {item.get('id')}", f"it has no asset {' or '.join(names)}", "choose another collection")


def remote_of(item: Item, names: Sequence[str], name: str, signer: Signer | None) -> Remote:
    """The file of an asset, with size and checksum where the item says them (STAC file extension).

    Args:
        item: the item.
        names: of the asset; the first that is there counts.
        name: of the file here.
        signer: signs the address; None: it is public.
    """
    found = asset(item, names)
    href = check_address(public_address(str(found["href"])), f"item {item.get('id')}")
    size = found.get("file:size")
    text = found.get("file:checksum")
    digest = None if text is None else from_multihash(str(text), f"item {item.get('id')}")

    def link(fresh: bool) -> str:
        return href if signer is None else signer(href, fresh)

    return Remote(name, shown(href), link, int(size) if size is not None else None, digest)


def public_address(href: str) -> str:
    """The https address of an object that STAC names by `s3://bucket/key`; others stay as they are."""
    parts = urlsplit(href)
    if parts.scheme != "s3":
        return href
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", parts.netloc):
        raise InputError("fetch", f"the catalogue names a bucket {parts.netloc[:80]!a}", "report it to the provider")
    return f"https://{parts.netloc}.s3.amazonaws.com{parts.path}"
