"""PlanetScope scenes: searched, ordered and fetched by Planet's own SDK.

An order costs quota, so that none is placed twice: its name follows from what is asked for, and before one is placed
the account's orders are looked through for that name. There is one order for each day of acquisition.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import shapely

from slumpmap.acquire.digests import Digest
from slumpmap.acquire.download import Downloader, Fetched, Remote, check_name, refusal
from slumpmap.acquire.patience import Patience, Rate, retry_after
from slumpmap.acquire.receipts import has_receipt, write_receipt
from slumpmap.acquire.secrets import check_address, planet_key, shown
from slumpmap.acquire.wanted import Wanted
from slumpmap.errors import InputError
from slumpmap.settings.download import PlanetSettings

if TYPE_CHECKING:
    import planet

Answer = TypeVar("Answer")
Item = Mapping[str, Any]

_ITEM_TYPE = "PSScene"
# What a bundle holds, as the Data API names it.
_ASSETS = {
    "analytic_sr_udm2": ("ortho_analytic_4b_sr", "ortho_udm2"),
    "analytic_8b_sr_udm2": ("ortho_analytic_8b_sr", "ortho_udm2"),
}
_MANIFEST = "manifest.json"
_ENDED_BADLY = {"failed", "cancelled"}
_ENDED_WELL = {"success", "partial"}
# Orders that are waited for at a time: Planet's own limit for orders that run is of this size.
_ORDERS_AT_A_TIME = 10


@dataclass(frozen=True)
class Order:
    """The scenes of a day, as they are ordered.

    Args:
        name: follows from the rest.
        ids: of the scenes, sorted.
        request: body of the request.
    """

    name: str
    ids: tuple[str, ...]
    request: Mapping[str, Any]


def fetch_planetscope(wish: Wanted, settings: PlanetSettings, folder: Path, only_list: bool = False) -> list[Order]:
    """Brings the PlanetScope scenes of a campaign with their UDM2 masks into a folder.

    Args:
        wish: area, windows and clouds.
        settings: of the provider.
        folder: gets the files under Planet's own names, and a receipt for each order.
        only_list: search only; nothing is ordered.

    Returns:
        The orders, by day.

    Raises:
        InputError: no key, access refused, nothing or too much found, an order failed, a file is wrong.
    """
    check_address(settings.planet_api, "fetch.planet_api")
    return asyncio.run(_fetch(wish, settings, folder, only_list))


async def _fetch(wish: Wanted, settings: PlanetSettings, folder: Path, only_list: bool) -> list[Order]:
    import planet

    rate = Rate(settings.requests_per_second)
    async with planet.Session(auth=planet.Auth.from_key(planet_key()), read_timeout_secs=settings.timeout_s) as session:
        # Repetition is ours alone: the SDK does not repeat after a 500, and does not hear Retry-After.
        session.max_retries = 0
        account = _Account(session, settings, rate)
        orders = to_orders(await account.search(wish), wish, settings)
        if only_list:
            return orders
        patience = Patience(settings.attempts, settings.wait_s)
        downloader = Downloader(patience, rate, settings.parallel, settings.timeout_s)
        places = asyncio.Semaphore(_ORDERS_AT_A_TIME)

        async def one(order: Order) -> None:
            async with places:
                await _bring(order, account, downloader, folder)

        done = await asyncio.gather(*map(one, orders), return_exceptions=True)
    for fault in done:
        if isinstance(fault, BaseException):
            raise fault
    return orders


async def _bring(order: Order, account: _Account, downloader: Downloader, folder: Path) -> None:
    """Brings the files of an order: finds or places it, waits, downloads."""
    facts = {"provider": "planet", "order": order.name, "items": list(order.ids)}
    if has_receipt(folder, order.name, **facts):
        return
    placed = await account.find(order) or await account.place(order)
    placed = await account.wait(placed)
    loop = asyncio.get_running_loop()

    def links(fresh: bool) -> dict[str, str]:
        """Addresses of the files by path; with `fresh` from the API, which signs them anew."""
        nonlocal placed
        if fresh:
            placed = asyncio.run_coroutine_threadsafe(account.look(placed["id"]), loop).result()
        return addresses_of(placed)

    got = await asyncio.to_thread(_download, str(placed["id"]), links, downloader, folder)
    write_receipt(folder, order.name, facts | {"order_id": placed["id"]}, [item.path for item in got], got)
    print(f"{order.name}: {len(order.ids)} scenes, {len(got)} files", file=sys.stderr, flush=True)


def _download(
    order_id: str, links: Callable[[bool], dict[str, str]], downloader: Downloader, folder: Path
) -> list[Fetched]:
    """Downloads the manifest of an order, then every file that it lists."""
    paths = links(False)
    manifest = next((path for path in paths if path.rpartition("/")[2] == _MANIFEST), None)
    if manifest is None:
        raise InputError(f"order {order_id}", "it has no manifest", "set another fetch.order_name to order again")

    def remote(path: str, name: str, size: int | None = None, digest: Digest | None = None) -> Remote:
        def link(fresh: bool) -> str:
            found = links(fresh).get(path)
            if found is None:
                raise InputError(
                    f"order {order_id}", f"it has no file {path!a} any more", "set another fetch.order_name"
                )
            return found

        return Remote(name, f"planet order {path}", link, size, digest)

    there = downloader.fetch(remote(manifest, f"{order_id}_{_MANIFEST}"), folder / "manifests")
    listed = read_manifest(there.path)
    root = manifest[: -len(_MANIFEST)]
    remotes = [remote(root + path, path.rpartition("/")[2], size, digest) for path, size, digest in listed]
    return downloader.fetch_all(remotes, folder)


def read_manifest(path: Path) -> list[tuple[str, int, Digest]]:
    """Path, size and checksum of each file that an order's manifest lists.

    Raises:
        InputError: it is no manifest.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["files"]
        found = []
        for entry in entries:
            name, digests = str(entry["path"]), entry["digests"]
            check_name(name.rpartition("/")[2])
            method = "sha256" if "sha256" in digests else "md5"
            found.append((name, int(entry["size"]), Digest(method, str(digests[method]))))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        path.unlink(missing_ok=True)
        raise InputError(path, f"is no manifest of an order ({type(error).__name__})", "run it again") from None
    return found


def addresses_of(placed: Mapping[str, Any]) -> dict[str, str]:
    """Signed addresses of the files of an order by path; the API leaves out results that have been removed."""
    results = (placed.get("_links") or {}).get("results") or []
    return {str(result["name"]): str(result["location"]) for result in results if result and result.get("location")}


def to_orders(items: Iterable[Item], wish: Wanted, settings: PlanetSettings) -> list[Order]:
    """The orders that bring some scenes, one for each day of acquisition.

    A day is a unit that does not change later, as a month would while it lasts: a changed order is a new one.

    Args:
        items: scenes as the Data API describes them.
        wish: its area is what scenes are clipped to.
        settings: bundle and tools.
    """
    days: dict[str, list[str]] = defaultdict(list)
    for item in items:
        days[str(item["properties"]["acquired"])[:10]].append(check_name(str(item["id"])))
    tools: list[dict[str, Any]] = [{"harmonize": {"target_sensor": "Sentinel-2"}}] if settings.harmonize else []
    tools.append({"clip": {"aoi": shapely.geometry.mapping(wish.area)}})
    return [_order_of(day, tuple(sorted(ids)), tools, settings) for day, ids in sorted(days.items())]


def _order_of(day: str, ids: tuple[str, ...], tools: Sequence[Mapping[str, Any]], settings: PlanetSettings) -> Order:
    product = {"item_ids": list(ids), "item_type": _ITEM_TYPE, "product_bundle": settings.bundle}
    what: dict[str, Any] = {"products": [product], "tools": list(tools), "order_type": "partial"}
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]
    name = f"{settings.order_name}-{day}-{digest}"
    return Order(name, ids, {"name": name, **what})


class _Account:
    """A Planet account: searches and orders, each request repeated as long as that may help.

    Args:
        session: open session of the SDK.
        settings: of the provider.
        rate: requests in a second.
    """

    def __init__(self, session: planet.Session, settings: PlanetSettings, rate: Rate) -> None:
        from planet.clients import OrdersClient

        self._session, self._settings, self._rate = session, settings, rate
        self._patience = Patience(settings.attempts, settings.wait_s)
        self._api = settings.planet_api.rstrip("/")
        self._orders = OrdersClient(session, f"{self._api}/compute/ops")

    async def search(self, wish: Wanted) -> list[Item]:
        """Scenes of the wish with the assets of the bundle, oldest first.

        Raises:
            InputError: none, or more than `max_scenes`, or none that the account may download.
        """
        body = {"item_types": [_ITEM_TYPE], "filter": search_filter(wish, self._settings.bundle)}
        # Not DataClient.search: it checks the item type against a list that it loads from a fixed address.
        url: str | None = f"{self._api}/data/v1/quick-search?_page_size=250&_sort=acquired%20asc"
        items: list[Item] = []
        seen: set[str] = set()
        while url:
            method, sent = ("GET", None) if seen else ("POST", body)
            seen.add(url)
            page = (await self._ask(partial(self._session.request, method, url, json=sent))).json()
            items += page.get("features", [])
            self._check_count(len(items))
            url = (page.get("_links") or {}).get("_next")
            if url in seen:
                raise InputError(shown(url), "the search goes round in circles", "report it to Planet")
            if url:
                self._check_own(url)
        return self._allowed(items, wish)

    def _check_count(self, count: int) -> None:
        most = self._settings.max_scenes
        if count > most:
            raise InputError(
                "fetch.max_scenes",
                f"the search finds more than {most} scenes, and every one costs quota",
                "narrow imagery.years, imagery.months or imagery.max_cloud, or raise fetch.max_scenes",
            )

    def _check_own(self, url: str) -> None:
        """Refuses to carry the key to another host than the API's."""
        if not url.startswith(f"{self._api}/"):
            raise InputError(shown(url), "the search goes on at another host", "report it to Planet")

    def _allowed(self, items: Sequence[Item], wish: Wanted) -> list[Item]:
        """The scenes that the account may download."""
        needed = {f"assets.{asset}:download" for asset in _ASSETS[self._settings.bundle]}
        kept = [item for item in items if "_permissions" not in item or needed <= set(item["_permissions"])]
        if len(kept) < len(items):
            print(f"{len(items) - len(kept)} of {len(items)} scenes are not open to the account", file=sys.stderr)
        if not kept:
            years = ", ".join(f"{start:%Y-%m} to {end:%Y-%m}" for start, end in wish.windows)
            raise InputError(
                "fetch",
                f"Planet has no scene for the study area in {years} with at most {wish.max_cloud:.0%} cloud"
                + (", that the account may download" if items else ""),
                "loosen imagery.months or imagery.max_cloud, or ask Planet for access to the area",
            )
        return kept

    async def find(self, order: Order) -> Mapping[str, Any] | None:
        """The account's order of that name, the newest that has not failed; None if there is none."""

        async def listed() -> list[Mapping[str, Any]]:
            return [found async for found in self._orders.list_orders(name=order.name, limit=0)]

        found = [one for one in await self._ask(listed) if one.get("name") == order.name]
        good = [one for one in found if one.get("state") not in _ENDED_BADLY]
        return max(good, key=lambda one: str(one.get("created_on", ""))) if good else None

    async def place(self, order: Order) -> Mapping[str, Any]:
        """Places an order, once: where the answer is lost, the order is looked for before it is placed again."""
        tried = False

        async def place_once() -> Mapping[str, Any]:
            nonlocal tried
            if tried and (found := await self.find(order)):
                return found
            tried = True
            placed: Mapping[str, Any] = await self._orders.create_order(dict(order.request))
            return placed

        return await self._ask(place_once)

    async def look(self, order_id: str) -> Mapping[str, Any]:
        """An order as it is now; its addresses are signed anew by each look."""
        found: Mapping[str, Any] = await self._ask(partial(self._orders.get_order, order_id))
        return found

    async def wait(self, placed: Mapping[str, Any]) -> Mapping[str, Any]:
        """Waits until an order has ended well.

        Raises:
            InputError: it failed, or did not end in time.
        """
        until = time.monotonic() + 3600 * self._settings.patience_h
        order_id = str(placed["id"])
        placed = await self.look(order_id)
        while placed["state"] not in _ENDED_WELL:
            said = (
                "; ".join(map(str, placed.get("error_hints") or [])) or placed.get("last_message") or "no reason given"
            )
            if placed["state"] in _ENDED_BADLY:
                raise InputError(f"order {order_id}", f"it {placed['state']}: {said}", "mend the cause and run again")
            if time.monotonic() > until:
                raise InputError(
                    f"order {order_id}",
                    f"it is still {placed['state']} after {self._settings.patience_h:g} hours",
                    "run again later: it goes on with this order and places no other",
                )
            await asyncio.sleep(self._settings.poll_s)
            placed = await self.look(order_id)
        if placed["state"] == "partial":
            print(f"order {order_id}: Planet could not deliver all of its scenes", file=sys.stderr, flush=True)
        return placed

    async def _ask(self, request: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer to a request, which is repeated after failures that may pass."""
        import httpx
        from planet import exceptions as wrong

        refused = {
            wrong.InvalidAPIKey: 401,
            wrong.NoPermission: 403,
            wrong.MissingResource: 404,
        }
        for failures in range(1, self._settings.attempts + 1):
            await asyncio.sleep(self._rate.turn())
            try:
                return await request()
            except tuple(refused) as error:
                raise refusal(refused[type(error)], self._api) from None
            except (wrong.BadQuery, wrong.Conflict, wrong.OverQuota) as error:
                raise InputError(self._api, f"Planet refused the request: {error}", "see what it says") from None
            except (wrong.APIError, httpx.TransportError, ValueError) as error:
                last = type(error).__name__
                # The SDK raises its errors while it handles httpx's, which has the answer.
                answer = getattr(error.__context__, "response", None)
                asked = None if answer is None else retry_after(answer.headers.get("Retry-After"))
            if failures < self._settings.attempts:
                seconds = self._patience.delay(failures, asked)
                if asked is not None:
                    self._rate.pause(seconds)
                print(f"Planet: {last}; next try in {seconds:.1f} s", file=sys.stderr, flush=True)
                await asyncio.sleep(seconds)
        raise InputError(self._api, f"gave up after {self._settings.attempts} tries, the last one: {last}", "run later")


def search_filter(wish: Wanted, bundle: str) -> dict[str, Any]:
    """The filter of a quick search: windows, clouds, area, standard quality, the bundle's assets."""
    from planet import data_filter

    windows = [data_filter.date_range_filter("acquired", gte=start, lt=end) for start, end in wish.windows]
    filters = [
        data_filter.or_filter(windows),
        data_filter.range_filter("cloud_cover", lte=wish.max_cloud),
        data_filter.geometry_filter(shapely.geometry.mapping(wish.area)),
        data_filter.std_quality_filter(),
        *(data_filter.asset_filter([asset]) for asset in _ASSETS[bundle]),
    ]
    found: dict[str, Any] = data_filter.and_filter(filters)
    return found
