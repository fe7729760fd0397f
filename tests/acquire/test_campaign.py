"""The rules: inputs come where the campaign wants them, the key into no file; without `fetch` no socket opens."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import rasterio
import shapely
import yaml
from providers import KEY, Fault, Providers
from scenes import CRS, NORTH, WEST, add_planet, grid
from test_stac import add_dem

from slumpmap.config import check_config
from slumpmap.errors import InputError
from slumpmap.vector import write_layer

ROOT = Path(__file__).parents[2]
# In every process of a run: notes each attempt to reach the network, and refuses it.
GUARD = """
import os, socket

def note(what):
    with open(os.environ["GUARD"], "a") as log:
        log.write(what + "\\n")

def connect(self, address):
    if self.family == socket.AF_UNIX:
        return plain(self, address)
    note(f"connect {address}")
    raise OSError("refused by the test")

def lookup(host, *args, **kwargs):
    note(f"lookup {host}")
    raise OSError("refused by the test")

plain = socket.socket.connect
socket.socket.connect, socket.getaddrinfo = connect, lookup
note("start")
"""


class Campaign:
    """A copy of the workflow with one small campaign of people."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("Snakefile", "workflow", "profiles", "config", "envs"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "src").mkdir()
        (folder / "src" / "slumpmap").symlink_to(ROOT / "src" / "slumpmap")
        slump = shapely.box(WEST + 400, NORTH - 500, WEST + 460, NORTH - 420)
        write_layer(gpd.GeoDataFrame({"id": ["a"]}, geometry=[slump], crs=CRS), folder / "data" / "slumps.gpkg")

    def configure(self, **changed: Any) -> None:
        config = {
            "campaign": "own",
            "data": "data",
            "inputs": {"catalogue": "downloads/scenes.gpkg", "positives": "slumps.gpkg", "dem": "downloads/dem.tif"},
            "grid": {"crs": CRS, "bounds": list(grid().area.bounds), "tile_px": 256},
            "imagery": {"years": [2019], "mapping_year": 2019},
        }
        (self.folder / "campaign.yaml").write_text(yaml.safe_dump(config | changed))

    def run(self, *targets: str, guarded: bool = False) -> tuple[int, str]:
        """Runs snakemake until some rules; exit status and all that it says."""
        environment = self._guarded() if guarded else dict(os.environ)
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--cores",
            "2",
            "--configfile",
            "campaign.yaml",
            "--until",
            *targets,
        ]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def slumpmap(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a command, guarded."""
        command = [sys.executable, "-m", "slumpmap", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self._guarded(), capture_output=True, text=True, timeout=120, check=False
        )

    def _guarded(self) -> dict[str, str]:
        """The environment of a process whose sockets are refused."""
        (self.folder / "src" / "sitecustomize.py").write_text(GUARD)
        return os.environ | {"PYTHONPATH": str(self.folder / "src"), "GUARD": str(self.folder / "guard.txt")}

    def attempts(self) -> list[str]:
        """What the processes of a guarded run tried; `start` for each process."""
        return (self.folder / "guard.txt").read_text().splitlines()


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return Campaign(tmp_path)


def fetch_section(world: Providers) -> dict[str, Any]:
    patience = {"attempts": 4, "wait_s": 0.01, "poll_s": 0.05, "requests_per_second": 200}
    apis = {"planet_api": world.url, "stac_api": f"{world.url}/stac"}
    return {"scenes": "planetscope", "dem": "copernicus", "dem_margin_km": 1, **patience, **apis}


def check_no_secret(world: Providers, folder: Path, said: str) -> None:
    """Searches every file of the run, Snakemake's own notes too."""
    secrets = [KEY, *world.tokens]
    assert not [secret for secret in secrets if secret in said]
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert any(".snakemake" in path.parts for path in files) and any(path.suffix == ".log" for path in files)
    for path in files:
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in content], path


def test_inputs_are_fetched_and_pass_the_door(world: Providers, campaign: Campaign) -> None:
    """A first run ends where the connection does; the second goes on, rides out what fails, and tells no secret."""
    add_planet(world, "20190721_041233_1005")
    add_planet(world, "20190805_040000_37_1057", cloudy_rows=100)
    add_dem(world, 92.875, 34.5)
    campaign.configure(fetch=fetch_section(world))
    world.faults = [Fault("/compute/ops/download", "truncate", after=10_000, times=99)]
    status, said = campaign.run("fetch_scenes")
    assert status != 0 and "gave up after 4 tries" in said
    check_no_secret(world, campaign.folder, said)
    world.faults = [
        Fault("/data", status=429, headers={"Retry-After": "0"}),
        Fault("/compute/ops/download", "truncate", after=200_000, times=2),
        Fault("/compute/ops/download", status=403),
        Fault("/assets", status=500),
    ]
    status, said = campaign.run("catalogue")
    assert status == 0, said
    assert len(world.orders) == 2
    checked = gpd.read_file(campaign.folder / "results/own/inputs/scenes.gpkg")
    assert checked["selected"].tolist() == [True, True] and checked["cloud_fraction"].tolist() == [0.0, 0.25]
    with rasterio.open(campaign.folder / "data/downloads/dem.tif") as dem:
        assert str(dem.crs) == CRS
    assert (campaign.folder / "results/own/inputs/layers.json").is_file()
    check_no_secret(world, campaign.folder, said)


def test_without_the_section_no_process_reaches_out(campaign: Campaign, world: Providers) -> None:
    """Sockets are refused in every process; `slumpmap fetch` shows that the guard would have seen one."""
    add_planet(world, "20190721_041233_1005")
    (campaign.folder / "data" / "scenes").mkdir()
    for name, content in world.bundles["20190721_041233_1005"].items():
        (campaign.folder / "data" / "scenes" / name).write_bytes(content)
    campaign.configure(inputs={"catalogue": "scenes", "positives": "slumps.gpkg"})
    status, said = campaign.run("catalogue", guarded=True)
    assert status == 0, said
    attempts = campaign.attempts()
    assert set(attempts) == {"start"} and len(attempts) >= 5  # snakemake, and a process for each rule
    command = ["fetch", "scenes", "--scenes=planetscope", f"--planet-api={world.url}", "--years=2019", "--attempts=1"]
    command += ["--grid=results/own/inputs/grid.json", "--out=scenes.gpkg"]
    done = campaign.slumpmap(*command)
    assert done.returncode != 0 and "gave up" in done.stderr
    assert any(line.startswith(("connect", "lookup")) for line in campaign.attempts())
    assert not world.requests


def test_light_commands_load_no_network_library() -> None:
    names = ("planet", "pystac_client", "requests", "httpx")
    code = f"import sys, slumpmap.cli; print([name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"fetch": {}}, "say what to fetch"),
        ({"fetch": {"scenes": "planet"}}, "fetch.scenes"),
        ({"fetch": {"scenes": "landsat", "key": "x"}}, "unknown key 'fetch.key'"),
        ({"fetch": {"scenes": "landsat", "stac_api": "https://x.org/?key=1"}}, "fetch.stac_api"),
        ({"fetch": {"scenes": "planetscope", "planet_api": "https://me:word@x.org"}}, "fetch.planet_api"),
        ({"fetch": {"scenes": "planetscope", "order_name": "../x"}}, "fetch.order_name"),
        (
            {"fetch": {"scenes": "landsat"}, "inputs": {"catalogue": "folder", "positives": "p"}},
            "the .gpkg that it makes",
        ),
        ({"fetch": {"dem": "nasadem"}, "inputs": {"catalogue": "folder", "positives": "p"}}, "the .tif that it makes"),
        ({"fetch": {"scenes": "landsat"}, "demo": {"size": "tiny"}}, "demo and fetch exclude each other"),
        ({"fetch": {"scenes": "planetscope", "bundle": "analytic_8b_sr_udm2"}}, "[6, 4, 2]"),
        (
            {"fetch": {"scenes": "planetscope", "bundle": "analytic_8b_sr_udm2", "harmonize": True}},
            "harmonize needs the bundle",
        ),
    ],
)
def test_settings_that_do_not_fit(change: dict[str, Any], fault: str) -> None:
    good = {
        "campaign": "x",
        "inputs": {"catalogue": "scenes.gpkg", "positives": "slumps.gpkg"},
        "grid": {"crs": CRS, "bounds": [0, 0, 3000, 3000]},
    }
    with pytest.raises(InputError) as caught:
        check_config(good | change)
    assert fault in str(caught.value)
