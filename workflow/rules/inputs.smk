# The user's files: checked before any long work starts.
import sys

from slumpmap.clock import bring_to_now, refuse_future
from slumpmap.errors import InputError
from slumpmap.files import check_writable

# Only the main process of a run holds the lock, and only a run may change a file's time.
if RUN_LOCK is not None:
    try:
        refuse_future(campaign.brought_files())
        for folder in [campaign.folder, *([campaign.data] if campaign.demo is not None else [])]:
            check_writable(folder)
            bring_to_now(folder)
    except InputError as error:
        sys.exit(f"error: {error}")

DEMO = campaign.demo
CLASS_FILES = ("vegetation", "vegetation_legend", "soil", "soil_legend")

if DEMO is not None:

    rule demo_data:
        output:
            catalogue=given(INPUTS.catalogue),
            positives=given(INPUTS.positives),
            negatives=given(INPUTS.negatives),
            dem=given(INPUTS.dem),
            roads=given(INPUTS.roads),
            truth=given(INPUTS.truth),
            classes=[file for name in CLASS_FILES for file in given(getattr(INPUTS, name))],
        log:
            f"{LOGS}/demo_data.log",
        benchmark:
            f"{COSTS}/demo_data.tsv"
        conda:
            "../../envs/geo.yaml"
        threads: 2
        resources:
            mem_mb=growing(3000),
            runtime=growing(240),
        params:
            folder=output_folder,
            size=DEMO.size,
            seed=DEMO.seed,
            area=option("area-km2", str(DEMO.area_km2 or "")),
            years=",".join(map(str, campaign.imagery.years)),
        message:
            "Making the synthetic corridor"
        shell:
            "python -m slumpmap demo-data --size {params.size:q} --seed {params.seed:q} {params.area} --years {params.years:q}"
            " --processes {threads:q} --out {params.folder:q} 2> {log:q}"


if campaign.consensus is not None:

    rule consensus:
        input:
            votes=(campaign.data / campaign.consensus.votes).as_posix(),
        output:
            positives=INPUTS.positives,
            truth=INPUTS.truth,
            training_area=INPUTS.training_area,
            evaluation_area=INPUTS.evaluation_area,
        log:
            f"{LOGS}/consensus.log",
        benchmark:
            f"{COSTS}/consensus.tsv"
        conda:
            "../../envs/geo.yaml"
        params:
            folder=output_folder,
            crs=campaign.grid.crs,
            options=as_options(campaign.consensus, ["at_least", "training", "evaluation"]),
        message:
            "Outlines from the experts' votes"
        shell:
            "python -m slumpmap consensus --votes {input.votes:q} --crs {params.crs:q} {params.options}"
            " --out {params.folder:q} 2> {log:q}"


rule grid:
    output:
        GRID,
    log:
        f"{LOGS}/grid.log",
    benchmark:
        f"{COSTS}/grid.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        options=as_options(campaign.grid),
    message:
        "Writing the tile grid"
    shell:
        "python -m slumpmap grid {params.options} --out {output:q} 2> {log:q}"


rule layers:
    input:
        grid=GRID,
        dem=given(INPUTS.dem),
        roads=given(INPUTS.roads),
        classes=[file for name in CLASS_FILES for file in given(getattr(INPUTS, name))],
    output:
        LAYERS_CHECKED,
    log:
        f"{LOGS}/layers.log",
    benchmark:
        f"{COSTS}/layers.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        dem=option("dem", INPUTS.dem),
        roads=option("roads", INPUTS.roads),
        classes=" ".join(option(name.replace("_", "-"), getattr(INPUTS, name)) for name in CLASS_FILES),
    message:
        "Checking DEM, roads and class rasters"
    shell:
        "python -m slumpmap check-layers --grid {input.grid:q} {params.dem} {params.roads} {params.classes}"
        " --out {output:q} 2> {log:q}"


rule intake:
    input:
        grid=GRID,
        positives=for_mapping("positives"),
        negatives=given(INPUTS.negatives),
        truth=given(INPUTS.truth),
        training_area=given(INPUTS.training_area),
        evaluation_area=given(INPUTS.evaluation_area),
        # Not read here: all light checks come before the long ones.
        checked=LAYERS_CHECKED,
    output:
        positives=f"{RESULTS}/iterations/01/labels/positives.gpkg",
        negatives=f"{RESULTS}/iterations/01/labels/negatives.gpkg",
    log:
        f"{LOGS}/intake.log",
    benchmark:
        f"{COSTS}/intake.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        folder=output_folder,
        negatives=option("negatives", INPUTS.negatives),
        truth=option("truth", INPUTS.truth),
        training_area=option("training-area", INPUTS.training_area),
        evaluation_area=option("evaluation-area", INPUTS.evaluation_area),
    message:
        "Checking outlines and areas"
    shell:
        "python -m slumpmap intake --grid {input.grid:q} --positives {input.positives:q} {params.negatives}"
        " {params.truth} {params.training_area} {params.evaluation_area}"
        " --out {params.folder:q} 2> {log:q}"


rule catalogue:
    input:
        grid=GRID,
        scenes=for_mapping("catalogue"),
        # Not read here: the light checks come before the long ones.
        checked=rules.intake.output.positives,
    output:
        CATALOGUE,
    log:
        f"{LOGS}/catalogue.log",
    benchmark:
        f"{COSTS}/catalogue.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        years=",".join(map(str, campaign.imagery.years)),
        options=as_options(campaign.imagery, CompositeSettings.model_fields),
    message:
        "Checking the scenes"
    shell:
        "python -m slumpmap check-scenes --grid {input.grid:q} --scenes {input.scenes:q} --years {params.years:q} {params.options}"
        " --out {output:q} 2> {log:q}"
