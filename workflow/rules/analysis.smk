# Slumps against the landscape: the campaign's own inventory (`own`) and another person's (`given`), by the same rules.
from slumpmap.settings.analysis import (
    ClusterSettings,
    JointSettings,
    LandscapeSettings,
    SelectionSettings,
    ThinningSettings,
)

ANALYSIS = f"{RESULTS}/analysis"
LANDSCAPE = f"{ANALYSIS}/landscape"
STUDY = f"{ANALYSIS}/{{study}}"
STUDIES = [*(["own"] if campaign.maps else []), *(["given"] if campaign.analysis.inventory else [])]
GIVEN = f"{ANALYSIS}/given"


wildcard_constraints:
    study="own|given",


if "given" in STUDIES:

    rule given_slumps:
        input:
            grid=GRID,
            inventory=(campaign.data / campaign.analysis.inventory).as_posix(),
        output:
            slumps=f"{GIVEN}/slumps.gpkg",
            repairs=f"{GIVEN}/repairs.csv",
        log:
            f"{LOGS}/analysis/given/slumps.log",
        benchmark:
            f"{COSTS}/analysis/given/slumps.tsv"
        # What is refused here must not wait for the long work on layers.
        priority: 10
        conda:
            "../../envs/geo.yaml"
        params:
            crs=campaign.grid.crs,
            options=given_options(),
        message:
            "Reading the given inventory"
        shell:
            "python -m slumpmap import-inventory {input.inventory:q} {params.options} --crs {params.crs:q}"
            " --out-repairs {output.repairs:q} --out {output.slumps:q} 2> {log:q}"

    rule given_inventory:
        input:
            grid=GRID,
            slumps=f"{GIVEN}/slumps.gpkg",
            ground=list(GROUND.values()),
            checked=LAYERS_CHECKED,
        output:
            gpkg=f"{GIVEN}/inventory.gpkg",
            parquet=f"{GIVEN}/inventory.parquet",
            csv=f"{GIVEN}/inventory.csv",
            omissions=f"{GIVEN}/omissions.csv",
            shares=f"{GIVEN}/class_shares.csv",
        log:
            f"{LOGS}/analysis/given/inventory.log",
        benchmark:
            f"{COSTS}/analysis/given/inventory.tsv"
        conda:
            "../../envs/geo.yaml"
        params:
            ground=" ".join(option(name, file) for name, file in GROUND.items()),
            options=as_options(campaign.inventory),
        message:
            "Attributes of the given inventory"
        shell:
            "python -m slumpmap inventory --grid {input.grid:q} --slumps {input.slumps:q} {params.ground}"
            " {params.options} --out {output.gpkg:q} 2> {log:q}"


rule landscape:
    input:
        grid=GRID,
        ground=list(GROUND.values()),
        checked=LAYERS_CHECKED,
    output:
        bins=f"{LANDSCAPE}/bins.csv",
        blocks=f"{LANDSCAPE}/blocks.parquet",
        points=f"{LANDSCAPE}/points.parquet",
        figures=f"{LANDSCAPE}/landscape.json",
    log:
        f"{LOGS}/analysis/landscape.log",
    benchmark:
        f"{COSTS}/analysis/landscape.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        ground=" ".join(option(name, file) for name, file in GROUND.items()),
        seed=campaign.seed,
        options=as_options(campaign.analysis, LandscapeSettings.model_fields),
    message:
        "The landscape as a whole"
    shell:
        "python -m slumpmap study landscape --grid {input.grid:q} {params.ground} --seed {params.seed:q} {params.options}"
        " --out {output.bins:q} 2> {log:q}"


rule selection:
    input:
        grid=GRID,
        inventory=studied,
        bins=f"{LANDSCAPE}/bins.csv",
        blocks=f"{LANDSCAPE}/blocks.parquet",
    output:
        report(
            f"{STUDY}/selection.csv",
            caption="../report/selection.rst",
            category="Analysis",
            labels={"inventory": "{study}", "table": "selection"},
        ),
    log:
        f"{LOGS}/analysis/{{study}}/selection.log",
    benchmark:
        f"{COSTS}/analysis/{{study}}/selection.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        landscape=folder_of("bins"),
        seed=campaign.seed,
        options=as_options(campaign.analysis, SelectionSettings.model_fields),
    message:
        "Selection ratios of the {wildcards.study} inventory"
    shell:
        "python -m slumpmap study selection --grid {input.grid:q} --inventory {input.inventory:q}"
        " --landscape {params.landscape:q} --seed {params.seed:q} {params.options} --out {output:q} 2> {log:q}"


rule landscape_tests:
    input:
        grid=GRID,
        inventory=studied,
        points=f"{LANDSCAPE}/points.parquet",
        figures=f"{LANDSCAPE}/landscape.json",
    output:
        report(
            f"{STUDY}/tests.csv",
            caption="../report/landscape_tests.rst",
            category="Analysis",
            labels={"inventory": "{study}", "table": "tests"},
        ),
    log:
        f"{LOGS}/analysis/{{study}}/tests.log",
    benchmark:
        f"{COSTS}/analysis/{{study}}/tests.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        landscape=folder_of("points"),
        seed=campaign.seed,
        options=as_options(campaign.analysis, ThinningSettings.model_fields),
    message:
        "Tests of the {wildcards.study} inventory against the landscape"
    shell:
        "python -m slumpmap study tests --grid {input.grid:q} --inventory {input.inventory:q}"
        " --landscape {params.landscape:q} --seed {params.seed:q} {params.options} --out {output:q} 2> {log:q}"


rule joint:
    input:
        grid=GRID,
        inventory=studied,
        points=f"{LANDSCAPE}/points.parquet",
        figures=f"{LANDSCAPE}/landscape.json",
    output:
        figures=f"{STUDY}/joint.json",
        coefficients=f"{STUDY}/coefficients.csv",
        factors=report(
            f"{STUDY}/factors.csv",
            caption="../report/joint.rst",
            category="Analysis",
            labels={"inventory": "{study}", "table": "factors"},
        ),
        dependence=f"{STUDY}/dependence.csv",
    log:
        f"{LOGS}/analysis/{{study}}/joint.log",
    benchmark:
        f"{COSTS}/analysis/{{study}}/joint.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        landscape=folder_of("points"),
        seed=campaign.seed,
        options=as_options(campaign.analysis, JointSettings.model_fields),
    message:
        "Joint model of the {wildcards.study} inventory"
    shell:
        "python -m slumpmap study joint --grid {input.grid:q} --inventory {input.inventory:q}"
        " --landscape {params.landscape:q} --seed {params.seed:q} {params.options} --out {output.figures:q} 2> {log:q}"


rule clustering:
    input:
        grid=GRID,
        inventory=studied,
    output:
        figures=f"{STUDY}/clustering.json",
        ripley=f"{STUDY}/ripley.csv",
    log:
        f"{LOGS}/analysis/{{study}}/clustering.log",
    benchmark:
        f"{COSTS}/analysis/{{study}}/clustering.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        seed=campaign.seed,
        options=as_options(campaign.analysis, ClusterSettings.model_fields),
    message:
        "Clusters of the {wildcards.study} inventory"
    shell:
        "python -m slumpmap study clustering --grid {input.grid:q} --inventory {input.inventory:q}"
        " --seed {params.seed:q} {params.options} --out {output.figures:q} 2> {log:q}"


rule sensitivity:
    input:
        grid=GRID,
        inventory=studied,
        bins=f"{LANDSCAPE}/bins.csv",
        points=f"{LANDSCAPE}/points.parquet",
    output:
        report(
            f"{STUDY}/sensitivity.csv",
            caption="../report/sensitivity.rst",
            category="Analysis",
            labels={"inventory": "{study}", "table": "sensitivity"},
        ),
    log:
        f"{LOGS}/analysis/{{study}}/sensitivity.log",
    benchmark:
        f"{COSTS}/analysis/{{study}}/sensitivity.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        landscape=folder_of("bins"),
        seed=campaign.seed,
    message:
        "What the {wildcards.study} inventory says without doubtful slumps"
    shell:
        "python -m slumpmap study sensitivity --grid {input.grid:q} --inventory {input.inventory:q}"
        " --landscape {params.landscape:q} --seed {params.seed:q} --out {output:q} 2> {log:q}"


rule analyse:
    # Another person's inventory alone: what `slumpmap analyse` asks for.
    input:
        lambda _: [*analysed(["given"]), *written(["given"]), *pictured(["given"])],
