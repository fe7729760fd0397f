"""Puts the site together: the page, and beside it everything it shows, as files that open from disk.

The page is a committed bundle (`page/`, `static/`). A browser that opens a file from disk may not fetch others, so
that the data comes as a script that sets one value; nothing of the data ever becomes HTML.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slumpmap import observed
from slumpmap.config import Config
from slumpmap.errors import InputError
from slumpmap.files import read_json, write_text
from slumpmap.grid import Grid
from slumpmap.inventory.build import read_inventory
from slumpmap.records import read_outcome
from slumpmap.site import ground, provenance, sheets
from slumpmap.site.cost import job_costs, review_rates
from slumpmap.site.slumps import slump_data
from slumpmap.status import campaign_status

STATIC = Path(__file__).parent / "static"
_PARTS = ("app.js", "app.css", "THIRD_PARTY.txt")
# Rows of a table that the page shows; the file has all.
_MOST_ROWS = 400
_INVENTORY_FILES = {
    "inventory.gpkg": "All slumps with outlines and attributes, GeoPackage",
    "inventory.csv": "The same without outlines, CSV",
    "inventory.parquet": "The same with outlines, GeoParquet",
    "omissions.csv": "Which attribute of which slump is missing, and why",
    "class_shares.csv": "Shares of vegetation and soil classes of each slump",
    "arts.gpkg": "The inventory with the fields of ARTS, GeoPackage",
    "arts.geojson": "The inventory with the fields of ARTS, GeoJSON",
}
# Tables of a study in the order in which they are read; others follow under their own names.
_STUDY_TABLES = {
    "table1": "Table 1: the data used",
    "published": "The published numbers beside ours",
    "selection": "Selection ratios",
    "tests": "Tests against the landscape",
    "factors": "Joint model: the factors",
    "coefficients": "Joint model: coefficients",
    "dependence": "Joint model: dependence",
    "ripley": "Clusters: Ripley's K",
    "sensitivity": "Without doubtful slumps",
    "omissions": "What is missing, and why",
    "repairs": "Rows that were mended or left out",
}
_REPORT_FIGURES = {
    "contact_sheet": ("inventory", "Slumps year by year"),
    "iterations": ("iterations", "The iterations"),
    "missing": ("iterations", "What is still missing"),
    "reliability": ("training", "How reliable the probabilities are"),
}


@dataclass
class _Folder:
    """Collects the files of the site; what lies below the page's folder already is used where it is.

    Args:
        top: folder of the page.
        made: folder in which the site's own files are made, later `top / site`.
        absent: what is not there, in words.
    """

    top: Path
    made: Path
    absent: list[str] = field(default_factory=list)

    def take(self, path: Path, below: str) -> str:
        """The address of a file as the page has it; copied to `files/<below>/` where it lies elsewhere."""
        if path.resolve().is_relative_to(self.top.resolve()):
            # Not opened here, but shown.
            observed.read([path])
            return path.resolve().relative_to(self.top.resolve()).as_posix()
        target = self.made / "files" / below / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        return f"site/files/{below}/{path.name}"

    def json(self, path: Path, what: str) -> Any:
        """A JSON file, or None, which is said."""
        if path.exists():
            return read_json(path)
        self.absent.append(what)
        return None


def build_site(config: Config, out: Path) -> None:
    """Writes the site of a campaign from what it has made so far.

    Beside the page lie `site/` (written here), and `ground/` and `sheets/`, which `write_ground` and `write_sheets`
    made; without them the map has no ground and slumps no images. The folder of the page can be sent as it is.

    Args:
        config: the campaign.
        out: page to write, `index.html`.

    Raises:
        InputError: the grid or the inventory is missing, or a file of the campaign is unreadable.
    """
    grid = Grid.read(config.folder / "inputs" / "grid.json")
    # A campaign that maps nothing shows the inventory that was brought.
    inventory = config.folder / ("inventory" if config.maps else "analysis/given") / "inventory.gpkg"
    out.parent.mkdir(parents=True, exist_ok=True)
    made = out.parent / f".site.{uuid.uuid4().hex[:8]}.part"
    folder = _Folder(out.parent, made)
    try:
        made.mkdir()
        for name in _PARTS:
            shutil.copyfile(STATIC / name, made / name)
        data = _data(config, grid, inventory, folder)
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        write_text(made / "data.js", f"window.slumpmap = {text};\n")
        target = out.parent / "site"
        if target.exists():
            shutil.rmtree(target)
        made.rename(target)
        observed.wrote_folder(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    write_text(out, (STATIC / "index.html").read_text(encoding="utf-8"))


def _data(config: Config, grid: Grid, inventory: Path, folder: _Folder) -> dict[str, Any]:
    """Everything the page shows."""
    results, report = config.folder, config.folder / "report"
    iterations = {int(path.name): path for path in _iteration_folders(config)}
    facts: dict[str, Any] = {
        "campaign": config.campaign,
        "synthetic": config.demo is not None,
        "maps": config.maps,
        "crs": grid.crs,
        "area_km2": round(grid.area.area / 1e6, 3),
        "resolution_m": grid.resolution,
        "years": sorted(config.imagery.years),
        "mapping_year": config.imagery.mapping_year,
        "near_road_m": config.inventory.near_road_m,
        "adjacent_m": config.inventory.adjacent_m,
        "simulated": config.review.mode == "simulated",
        "status": campaign_status(config),
        "slumps": slump_data(read_inventory(inventory), grid),
        "summary": folder.json(results / "summary.json", "the summary of the campaign (summary.json)"),
        "ground": folder.json(folder.top / "ground" / ground.INDEX, "the ground under the map (rule site_ground)"),
        "sheets": folder.json(folder.top / "sheets" / sheets.INDEX, "the slumps' images (rule site_sheets)"),
        "missing": _missing(report, folder),
        "figures": [*_report_figures(report, folder), *_training_figures(iterations, folder)],
        "analysis": _analysis(results / "analysis", folder),
        "cost": {"jobs": job_costs(results / "benchmarks"), "review": review_rates(_decisions(config, iterations))},
        "provenance": _provenance(config, iterations, folder),
        "downloads": _downloads(results, report, folder),
    }
    if facts["cost"]["jobs"] is None:
        folder.absent.append("measurements of the jobs (benchmarks)")
    return facts | {"absent": folder.absent}


def _iteration_folders(config: Config) -> Iterator[Path]:
    """Folders of the iterations that count, as the workflow walks them: until one waits or finds nothing."""
    for number in range(1, config.iterations.maximum + 1):
        folder = config.folder / "iterations" / f"{number:02d}"
        outcome = folder / "outcome" / "outcome.json"
        if not outcome.exists():
            return
        yield folder
        row = read_outcome(outcome)
        if row["state"] == "waiting" or row["new"] == 0:
            return


def _decisions(config: Config, iterations: dict[int, Path]) -> dict[tuple[int, str], Path]:
    """The decision files that are there, by iteration and reviewer."""
    review = config.review
    files = {}
    for number, folder in iterations.items():
        home = folder / "simulated_decisions" if review.mode == "simulated" else review.decisions / f"{number:02d}"
        for name in (*review.reviewers, review.adjudicator):
            if (home / f"{name}.gpkg").exists():
                files[number, name] = home / f"{name}.gpkg"
    return files


def _missing(report: Path, folder: _Folder) -> dict[str, Any] | None:
    """The estimate of what is missing, in figures and in words."""
    figures = folder.json(report / "missing.json", "the estimate of what is still missing")
    words = report / "missing.md"
    return {"figures": figures, "words": words.read_text(encoding="utf-8")} if figures and words.exists() else None


def _figure(picture: Path, title: str, section: str, below: str, folder: _Folder) -> dict[str, Any]:
    pdf = picture.with_suffix(".pdf")
    return {
        "section": section,
        "title": title,
        "name": picture.name,
        "png": folder.take(picture, below),
        "pdf": folder.take(pdf, below) if pdf.exists() else None,
    }


def _report_figures(report: Path, folder: _Folder) -> list[dict[str, Any]]:
    figures = []
    for name, (section, title) in _REPORT_FIGURES.items():
        if (report / f"{name}.png").exists():
            figures.append(_figure(report / f"{name}.png", title, section, "report", folder))
        else:
            folder.absent.append(f"the figure “{title}”")
    return figures


def _training_figures(iterations: dict[int, Path], folder: _Folder) -> list[dict[str, Any]]:
    return [
        _figure(path, f"Training of iteration {number}, {path.parent.name}", "training", _below(number, path), folder)
        for number, home in iterations.items()
        for path in sorted(home.glob("model*/training.png"))
    ]


def _below(number: int, path: Path) -> str:
    return f"training/{number:02d}_{path.parent.name}"


def _analysis(analysis: Path, folder: _Folder) -> list[dict[str, Any]]:
    """What the analysis left of each study: words, figures, tables."""
    studies = []
    for name in ("own", "given"):
        home = analysis / name
        words, pictures = home / "results.md", sorted((home / "figures").glob("*.png"), key=_figure_order)
        files = [*home.glob("*.csv"), *(home / "figures").glob("*.csv")]
        tables = sorted((path for path in files if path.stem not in ("inventory", "class_shares")), key=_table_order)
        if not (words.exists() or pictures or tables):
            continue
        studies.append(
            {
                "study": name,
                "words": words.read_text(encoding="utf-8") if words.exists() else None,
                "figures": [_figure(path, _title(path), "analysis", f"{name}/figures", folder) for path in pictures],
                "tables": [_table(path, name, folder) for path in tables],
            }
        )
        if not words.exists():
            folder.absent.append(f"the results in words of the study “{name}” (results.md)")
    if not studies:
        folder.absent.append("the analysis of the inventory (rules of the analysis)")
    return studies


def _figure_order(path: Path) -> tuple[list[int], str]:
    """Figures by their number, those without one last."""
    numbers = [int(text) for text in re.findall(r"\d+", path.stem)]
    return (numbers or [1_000_000], path.stem)


def _table_order(path: Path) -> tuple[int, str]:
    """Tables as `_STUDY_TABLES` has them, others after them by name."""
    names = list(_STUDY_TABLES)
    return (names.index(path.stem) if path.stem in names else len(names), path.stem)


def _title(path: Path) -> str:
    """`fig06_area-histogram` as `Fig. 6 area histogram`."""
    words = re.sub(r"[_-]+", " ", path.stem)
    words = re.sub(r"^(?:fig|figure)\s*0*(\d+)([a-z]?)\b", r"Fig. \1\2", words)
    return words[:1].upper() + words[1:]


def _table(path: Path, study: str, folder: _Folder) -> dict[str, Any]:
    """A CSV file as header and rows of text."""
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            lines = list(csv.reader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"table cannot be read ({error})", "remove it and run the workflow again") from error
    return {
        "title": _STUDY_TABLES.get(path.stem) or _title(path),
        "file": folder.take(path, study),
        "header": lines[0] if lines else [],
        "rows": lines[1 : _MOST_ROWS + 1],
        "left_out": max(len(lines) - 1 - _MOST_ROWS, 0),
    }


def _provenance(config: Config, iterations: dict[int, Path], folder: _Folder) -> dict[str, Any]:
    catalogue = config.folder / "inputs" / "scenes.gpkg"
    if not catalogue.exists():
        folder.absent.append("the catalogue of the scenes")
    return {
        "config": _settings(config),
        "inputs": provenance.input_hashes(config),
        "models": provenance.model_cards(iterations),
        "scenes": provenance.scenes_used(catalogue) if catalogue.exists() else None,
        "software": provenance.software(),
    }


def _settings(config: Config) -> list[dict[str, Any]]:
    """Every key of the configuration with its value, and whether it is another than slumpmap's default."""
    changed = dict(_flat(config.model_dump(mode="json", exclude_defaults=True)))
    return [
        {"key": key, "value": json.dumps(value, ensure_ascii=False), "changed": key in changed}
        for key, value in _flat(config.model_dump(mode="json"))
    ]


def _flat(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _studied(analysis: Path) -> Iterator[tuple[Path, str]]:
    """Files for machines that the analysis made of each study, beside its tables."""
    for study, whose in (("own", "this campaign's inventory"), ("given", "the given inventory")):
        for path in sorted((analysis / study).glob("*")):
            if path.suffix in (".json", ".gpkg") and not path.name.startswith("."):
                yield path, f"{_title(path)} ({whose})"


def _downloads(results: Path, report: Path, folder: _Folder) -> list[dict[str, Any]]:
    files: Sequence[tuple[Path, str]] = (
        *((results / "inventory" / name, title) for name, title in _INVENTORY_FILES.items()),
        (report / "table2.csv", "Table 2: the iterations"),
        (results / "summary.json", "The campaign in figures, for machines"),
        (report / "missing.json", "The estimate of what is missing, for machines"),
        *_studied(results / "analysis"),
    )
    listed = []
    for path, title in files:
        if path.exists():
            below = path.relative_to(results).parent.as_posix()
            listed.append({"title": title, "file": folder.take(path, below), "bytes": path.stat().st_size})
        elif path.name in ("inventory.csv", "arts.gpkg"):
            folder.absent.append(f"the download {path.name}")
    return listed
