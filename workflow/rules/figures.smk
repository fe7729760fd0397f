# Tables and figures of a study: the campaign's own inventory or a given one.
FIGURES = f"{STUDY}/figures"
MAP_FIGURES = ["fig01_study-area", "fig05_inventory", "fig07_affected-area"]
STATISTICS_FIGURES = ["fig06_frequencies", "selection-ratios", "dependence", "clusters"]


rule table1:
    input:
        grid=GRID,
        ground=list(GROUND.values()),
        catalogue=[CATALOGUE] if campaign.maps else [],
        outlines=[INPUTS.positives] if campaign.maps else [],
        negatives=given(INPUTS.negatives) if campaign.maps else [],
    output:
        csv=report(
            f"{STUDY}/table1.csv",
            caption="../report/table1.rst",
            category="Analysis",
            labels={"inventory": "{study}", "table": "data used"},
        ),
        markdown=f"{STUDY}/table1.md",
    log:
        f"{LOGS}/analysis/{{study}}/table1.log",
    benchmark:
        f"{COSTS}/analysis/{{study}}/table1.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        ground=" ".join(option(name, file) for name, file in GROUND.items()),
        catalogue=option("catalogue", CATALOGUE if campaign.maps else None),
        year=option("mapping-year", campaign.imagery.mapping_year if campaign.maps else None),
        outlines=option("outlines", INPUTS.positives if campaign.maps else None),
        negatives=option("negatives", INPUTS.negatives if campaign.maps else None),
        note=SYNTHETIC,
    message:
        "Table 1: the data used"
    shell:
        "python -m slumpmap figures table1 --grid {input.grid:q} {params.ground} {params.catalogue} {params.year}"
        " {params.outlines} {params.negatives} {params.note} --out {output.csv:q} 2> {log:q}"


rule map_figures:
    input:
        grid=GRID,
        inventory=studied,
        dem=given(INPUTS.dem),
        roads=given(INPUTS.roads),
        checked=LAYERS_CHECKED,
    output:
        cells=[f"{STUDY}/cells_{side}km.gpkg" for side in CELLS],
        pdf=[f"{FIGURES}/{name}.pdf" for name in MAP_FIGURES],
        png=report(
            [f"{FIGURES}/{name}.png" for name in MAP_FIGURES],
            caption="../report/map_figures.rst",
            category="Analysis",
            labels={"inventory": "{study}", "figure": "maps"},
        ),
    log:
        f"{LOGS}/analysis/{{study}}/map_figures.log",
    benchmark:
        f"{COSTS}/analysis/{{study}}/map_figures.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        folder=lambda _, output: Path(output.cells[0]).parent.as_posix(),
        dem=option("dem", INPUTS.dem),
        roads=option("roads", INPUTS.roads),
        note=SYNTHETIC,
    message:
        "Maps of the {wildcards.study} inventory"
    shell:
        "python -m slumpmap figures maps --grid {input.grid:q} --inventory {input.inventory:q} {params.dem}"
        " {params.roads} {params.note} --out {params.folder:q} 2> {log:q}"


rule statistics_figures:
    input:
        grid=GRID,
        inventory=studied,
        tables=drawn_tables,
    output:
        pdf=[f"{FIGURES}/{name}.pdf" for name in STATISTICS_FIGURES],
        png=report(
            [f"{FIGURES}/{name}.png" for name in STATISTICS_FIGURES],
            caption="../report/statistics_figures.rst",
            category="Analysis",
            labels={"inventory": "{study}", "figure": "statistics"},
        ),
    log:
        f"{LOGS}/analysis/{{study}}/statistics_figures.log",
    benchmark:
        f"{COSTS}/analysis/{{study}}/statistics_figures.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        folder=lambda _, output: Path(output.pdf[0]).parent.parent.as_posix(),
        note=SYNTHETIC,
    message:
        "The {wildcards.study} inventory against the landscape, drawn"
    shell:
        "python -m slumpmap figures statistics --grid {input.grid:q} --inventory {input.inventory:q} {params.note}"
        " --out {params.folder:q} 2> {log:q}"


if campaign.maps:

    rule example_figure:
        input:
            grid=GRID,
            inventory=INVENTORY,
            tiles=expand("{folder}/imagery/{year}/{tile}.tif", folder=RESULTS, year=campaign.imagery.years, tile=TILES),
        output:
            png=report(
                f"{ANALYSIS}/own/figures/fig03_example.png",
                caption="../report/example_figure.rst",
                category="Analysis",
                labels={"inventory": "own", "figure": "example"},
            ),
            pdf=f"{ANALYSIS}/own/figures/fig03_example.pdf",
        log:
            f"{LOGS}/analysis/own/example_figure.log",
        benchmark:
            f"{COSTS}/analysis/own/example_figure.tsv"
        conda:
            "../../envs/geo.yaml"
        params:
            imagery=lambda wildcards, input: Path(input.tiles[0]).parent.parent.as_posix(),
            years=",".join(map(str, campaign.imagery.years)),
            mapping_year=campaign.imagery.mapping_year,
            note=SYNTHETIC,
        message:
            "One slump year by year"
        shell:
            "python -m slumpmap figures example --grid {input.grid:q} --inventory {input.inventory:q}"
            " --imagery {params.imagery:q} --years {params.years:q} --mapping-year {params.mapping_year:q} {params.note}"
            " --out {output.png:q} 2> {log:q}"
