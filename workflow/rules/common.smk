# What all rules share: the validated configuration, the tile grid, and the walk through the iterations.
import json
import os
import shlex
import sys
from pathlib import Path

from slumpmap.settings.review import BoundarySettings
from slumpmap.settings.imagery import CompositeSettings, ScalingSettings
from slumpmap.settings.terrain import PositionSettings, RadiationSettings, SlopeSettings, StreamSettings
from slumpmap.settings.learning import TrainingSettings
from slumpmap.config import check_config, grid_of
from slumpmap.errors import InputError
from slumpmap.options import as_options
from slumpmap.review.missing import unseen_recall
from slumpmap.status import campaign_status

try:
    campaign = check_config(config, ", ".join(map(str, workflow.configfiles)) or "config")
    campaign.check_files()
    tile_grid = grid_of(campaign.grid)
except InputError as error:
    sys.exit(f"error: {error}")

# Jobs run this checkout's package with this interpreter, also where neither is on the shell's path; an
# environment made by --sdm conda holds the packages but not slumpmap itself.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), os.getenv("PATH", os.defpath)]),
    PYTHONPATH=str(Path(workflow.basedir) / "src"),
)

# Threads that wait for each other sleep instead of spinning: beside other jobs training is five times as fast.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def passing(files, kept=("all",)):
    """Outputs that other jobs read and hardly anybody else: they go when those are done, unless `run.keep` is in `kept`."""
    return files if campaign.run.keep in kept else temp(files)


def lasting(file):
    """An output that must not be made again by mistake: write-protected when it is whole, if `run.protect` says so."""
    return protected(file) if campaign.run.protect else file


def batched(items, size):
    """Items, `size` at a time; the last lot may be smaller."""
    return [items[start : start + size] for start in range(0, len(items), size)]


INPUTS = campaign.input_files()
RESULTS = campaign.folder.as_posix()
LOGS = f"{RESULTS}/logs"
COSTS = f"{RESULTS}/benchmarks"
GRID = f"{RESULTS}/inputs/grid.json"
SCALING = f"{RESULTS}/imagery/scaling.json"
CATALOGUE = f"{RESULTS}/inputs/scenes.gpkg"
LAYERS_CHECKED = f"{RESULTS}/inputs/layers.json"
IMAGERY = f"{RESULTS}/imagery/{campaign.imagery.mapping_year}"
ITERATION = f"{RESULTS}/iterations/{{n}}"
# The networks of an iteration: the model, and further members where there is an ensemble.
BUNDLES = ["model", *(f"model_{number}" for number in range(2, campaign.model.members + 1))]
TILES = [tile.id for tile in tile_grid.tiles]
REVIEW = campaign.review
SIMULATED = REVIEW.mode == "simulated"
EVERYBODY = [*REVIEW.reviewers, REVIEW.adjudicator]
# What training and inference ask for; a workstation lends one slot, which the default profile says.
GPUS = 0 if campaign.run.device == "cpu" else campaign.run.gpus_per_job
# Starting a process costs seconds, so that one job handles several tiles.
BATCHES = batched(TILES, campaign.run.tiles_per_job)
INFERENCE_BATCHES = batched(TILES, campaign.run.tiles_per_inference or campaign.run.tiles_per_job)


wildcard_constraints:
    n=r"\d\d",
    year=r"\d{4}",
    images=r"\d{4}(_layers)?",
    reviewer=r"[^/]+",
    bundle=r"model(_\d)?",


def which_batch(number, batches):
    """A batch for people, who count from 1: `batch 2 of 9`."""
    return f"batch {number + 1} of {len(batches)}"


def with_margin(batch, pixels):
    """Ids of a batch's tiles and of those that a margin of `pixels` round them touches."""
    return sorted({tile.id for name in batch for tile in tile_grid.around(name, pixels)})


def option(name, value):
    """A command-line option for an optional input: nothing where the file is not given."""
    return f"--{name} {shlex.quote(str(value))}" if value else ""


def repeated(name, values):
    """The same command-line option once for each value."""
    return " ".join(option(name, value) for value in values)


def given(path):
    """An optional input file for an input section, which takes a list with nothing or one path in it."""
    return [] if path is None else [path.as_posix()]


def iteration_file(n, name):
    """Path of a file of iteration `n` (a number or two digits)."""
    return f"{ITERATION.format(n=f'{int(n):02d}')}/{name}"


def for_mapping(name):
    """An input file without which nothing can be mapped; input function that says so where it is not given."""

    def missing(_):
        raise InputError(f"inputs.{name}", "mapping needs it", "give catalogue and positives, or analyse an inventory")

    path = getattr(INPUTS, name)
    return missing if path is None else path.as_posix()


def folder_of(name):
    """Params function: the folder in which an input lies (the first one, if the input is a list)."""

    def folder(_, input):
        files = getattr(input, name)
        return Path(files if isinstance(files, str) else files[0]).parent.as_posix()

    return folder


def imagery_root(_, input):
    """Params function: the folder that holds a folder of tiles for each year, from the rule's mosaics."""
    return Path(input.mosaics[0]).parent.parent.as_posix()


def output_folder(_, output):
    """Params function: the folder that the rule writes into."""
    return Path(output[0]).parent.as_posix()


def before(name):
    """Input function: a file of the iteration before, which the first iteration does not have."""
    return lambda wildcards: [iteration_file(int(wildcards.n) - 1, name)] if int(wildcards.n) > 1 else []


def reached(_=None):
    """Numbers of the iterations so far, from 1: until one finds nothing, or waits for people, or is the last.

    Each look waits for the checkpoint of its iteration, so that the DAG grows by one iteration at a time.
    """
    numbers = []
    for number in range(1, campaign.iterations.maximum + 1):
        outcome = json.loads(Path(checkpoints.outcome.get(n=f"{number:02d}").output.outcome).read_text())
        numbers.append(number)
        if outcome["state"] == "waiting" or outcome["new"] == 0:
            break
    return numbers


def of_all_iterations(name):
    """Input function: one file of every iteration so far."""
    return lambda wildcards: [iteration_file(n, name) for n in reached()]


def of_last_iteration(name):
    """Input function: one file of the last iteration so far."""
    return lambda wildcards: iteration_file(reached()[-1], name)


def decision_file(n, reviewer):
    """Path of a reviewer's decision file of iteration `n`."""
    folder = f"{RESULTS}/iterations/{n}/simulated_decisions" if SIMULATED else f"{REVIEW.decisions}/{n}"
    return f"{folder}/{reviewer}.gpkg"


def decisions_of(n):
    """The decision files of iteration `n`: all simulated ones, or those that people have written so far."""
    files = [decision_file(f"{int(n):02d}", name) for name in EVERYBODY]
    return files if SIMULATED else [file for file in files if Path(file).exists()]


def decisions_there(wildcards):
    """Input function: the decision files that an outcome counts."""
    return decisions_of(wildcards.n)


def named_decisions(wildcards, input):
    """Options that name reviewers and adjudicator with their files, or the name alone where there is no file."""

    def named(name):
        file = decision_file(wildcards.n, name)
        return f"{name}={file}" if file in input.decisions else name

    reviewers = [option("reviewer", named(name)) for name in REVIEW.reviewers]
    return " ".join([*reviewers, option("adjudicator", named(REVIEW.adjudicator))])


def crossval_recall(_):
    """Params function: what a finished cross-validation found of the slumps kept for testing, as an option."""
    unseen = unseen_recall(campaign.folder / "crossval", campaign.crossval)
    return f"--unseen {unseen.found} {unseen.of} {unseen.iteration}" if unseen else ""


def slumps_of(wildcards):
    """Input function: the slumps that an iteration confirmed; those known beforehand join them in the first."""
    known = [iteration_file(1, "labels/positives.gpkg")] if int(wildcards.n) == 1 else []
    return [*known, iteration_file(wildcards.n, "outcome/accepted.gpkg")]


def yearly_to_review(_=None):
    """Yearly probabilities of the candidates that people inspect now; simulated experts look at none."""
    if SIMULATED or not GROWS:
        return []
    return [iteration_file(reached()[-1], f"review/yearly/{tile}.zip") for tile in TILES]


def bundles_of(n):
    """Folders of an iteration's networks."""
    return [iteration_file(n, bundle) for bundle in BUNDLES]


def all_decisions(_):
    """Input function: the decision files of all iterations so far."""
    return [file for n in reached() for file in decisions_of(n)]


def found_by(_, input):
    """Options that name the models and the decisions of all iterations so far."""
    numbers = [f"{n:02d}" for n in reached()]
    models = [f"{n}={bundle}" for n in numbers for bundle in bundles_of(n)]
    people = [(n, name, decision_file(n, name)) for n in numbers for name in EVERYBODY]
    decisions = [f"{n}:{name}={file}" for n, name, file in people if file in input.decisions]
    return f"{repeated('model', models)} {repeated('decisions', decisions)}"


def studied(wildcards):
    """Input function: the inventory of a study, the campaign's own or a given one."""
    return INVENTORY if wildcards.study == "own" else f"{GIVEN}/inventory.gpkg"


def given_options():
    """How the given inventory is read, as options of the command."""
    given_by = campaign.analysis
    names = {"layer": given_by.layer, "where": given_by.where, "encoding": given_by.encoding}
    options = [option(name, value) for name, value in (names | {"crs-of-file": given_by.crs_of_file}).items()]
    return " ".join([*options, repeated("column", given_by.columns)])


def analysed(studies):
    """Files of the analysis of some studies."""
    names = ("selection.csv", "tests.csv", "joint.json", "clustering.json", "sensitivity.csv")
    return [f"{ANALYSIS}/{study}/{name}" for study in studies for name in names]


def written(studies):
    """The results of some studies in words."""
    return [f"{ANALYSIS}/{study}/results.md" for study in studies]


def zones_file():
    """The zones in which slumps are counted, for an input section."""
    zones = campaign.analysis.zones
    return [] if zones is None else [(campaign.data / zones).as_posix()]


def published_file(wildcards):
    """Input function: the published numbers beside those of the given inventory, where it is the published one."""
    return [PUBLISHED] if wildcards.study == "given" and campaign.analysis.published else []


def studies_here():
    """The studies that can be made: without any layer there is nothing to hold the campaign's own inventory against."""
    return STUDIES if GROUND else [study for study in STUDIES if study != "own"]


def drawn_tables(wildcards):
    """Input function: the tables behind a study's figures; without layers there are none but those of clusters."""
    names = ["clustering.json", "ripley.csv"]
    names += ["selection.csv", "dependence.csv", "joint.json"] if GROUND else []
    return [f"{ANALYSIS}/{wildcards.study}/{name}" for name in names]


def pictured(studies):
    """Tables and figures of some studies."""
    names = ["table1.csv", "cells_10km.gpkg", *(f"figures/{name}.png" for name in MAP_FIGURES + STATISTICS_FIGURES)]
    own = [f"{ANALYSIS}/own/figures/fig03_example.png"] if "own" in studies else []
    return [*(f"{ANALYSIS}/{study}/{name}" for study in studies for name in names), *own]


def last_probability(_=None):
    """Input function: the probability tiles of the last iteration so far; none where none are made or none stay."""
    if not campaign.maps or campaign.run.keep == "final":
        return []
    return [iteration_file(reached()[-1], f"probability/{tile}.tif") for tile in TILES]


def common_folder(files):
    """The folder of files that lie together; nothing where there are none."""
    return Path(files[0]).parent.as_posix() if files else None


def shown_in_qgis(wildcards):
    """Input function: the vector layers that the QGIS project shows."""
    cells = [f"{ANALYSIS}/{study}/cells_10km.gpkg" for study in STUDIES]
    streams = [file for file in TERRAIN_PRODUCTS if file.endswith(".gpkg")]
    given_inventory = rules.given_inventory.output[:1] if "given" in STUDIES else []
    if not campaign.maps:
        return [*given_inventory, *streams, *cells]
    last = ("candidates/candidates.gpkg", "outcome/rejected.gpkg")
    found = [of_last_iteration(name)(wildcards) for name in last]
    known = iteration_file(1, "labels/positives.gpkg")
    return [INVENTORY, *given_inventory, known, *found, CATALOGUE, *streams, *cells]


def shown_on_site(wildcards):
    """Input function: what the site takes from the campaign's folder, as far as the campaign makes it."""
    shown = [*analysed(studies_here()), *written(studies_here()), *pictured(STUDIES)]
    if not campaign.maps:
        return [*shown, *rules.given_inventory.output]
    return [
        *shown,
        CATALOGUE,
        *rules.inventory.output,
        *([] if campaign.arts is None else rules.arts.output),
        *(file for bundle in BUNDLES for file in of_all_iterations(f"{bundle}/model.json")(wildcards)),
        *(file for bundle in BUNDLES for file in of_all_iterations(f"{bundle}/training.png")(wildcards)),
        *of_all_iterations("outcome/outcome.json")(wildcards),
        *all_decisions(wildcards),
        *rules.summary.output,
        *rules.table2.output,
        *rules.missing.output,
        *rules.contact_sheet.output,
        *rules.iterations_figure.output,
        *rules.reliability_figure.output,
    ]


def products(wildcards=None):
    """What a run makes in the end."""
    if not campaign.maps:
        return [*analysed(STUDIES), *written(STUDIES), *pictured(STUDIES), rules.site.output.page, PROJECT]
    return [
        *(file for bundle in BUNDLES for file in of_all_iterations(f"{bundle}/training.png")(wildcards)),
        *of_all_iterations("review/queue.gpkg")(wildcards),
        rules.reliability_figure.output.png,
        *TERRAIN_PRODUCTS,
        *yearly_to_review(wildcards),
        *of_all_iterations("review/timelapse")(wildcards),
        rules.inventory.output.csv,
        *([] if campaign.arts is None else rules.arts.output),
        rules.table2.output.csv,
        rules.iterations_figure.output.png,
        rules.missing.output.png,
        rules.contact_sheet.output.png,
        rules.summary.output.summary,
        rules.site.output.page,
        PROJECT,
        STAC,
        *analysed(studies_here()),
        *written(studies_here()),
        *pictured(STUDIES),
    ]


def closing_words():
    """What a finished run says: where the results are and what waits for people."""
    return campaign_status(campaign, *(Path(os.path.relpath(file)) for file in workflow.configfiles[:1]))
