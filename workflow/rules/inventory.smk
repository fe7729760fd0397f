# All slumps of the campaign with their attributes.
INVENTORY = f"{RESULTS}/inventory/inventory.gpkg"
SLUMPS = f"{RESULTS}/inventory/slumps.gpkg"
# Layers that describe the ground under the slumps: option of the command, and file.
GROUND = {
    "roads": INPUTS.roads,
    "vegetation": INPUTS.vegetation,
    "vegetation-legend": INPUTS.vegetation_legend,
    "soil": INPUTS.soil,
    "soil-legend": INPUTS.soil_legend,
}
if HAS_DEM:
    GROUND |= {"dem": INPUTS.dem, "slope": SLOPE, "aspect": ASPECT}
    GROUND |= {name: TERRAIN_FILES[name][0] for name in campaign.terrain.products}
GROUND = {name: Path(file).as_posix() for name, file in GROUND.items() if file is not None}


rule slumps:
    input:
        positives=of_last_iteration("labels/positives.gpkg"),
        accepted=of_last_iteration("outcome/accepted.gpkg"),
    output:
        SLUMPS,
    log:
        f"{LOGS}/slumps.log",
    benchmark:
        f"{COSTS}/slumps.tsv"
    conda:
        "../../envs/geo.yaml"
    message:
        "Collecting all slumps"
    shell:
        "python -m slumpmap slumps --positives {input.positives:q} --accepted {input.accepted:q}"
        " --out {output:q} 2> {log:q}"


rule inventory:
    input:
        grid=GRID,
        slumps=SLUMPS,
        catalogue=CATALOGUE,
        ground=list(GROUND.values()),
        models=lambda _: [f"{bundle}/model.json" for n in reached() for bundle in bundles_of(n)],
        decisions=all_decisions,
        growth=of_all_iterations("review/growth.gpkg") if GROWS else [],
    output:
        gpkg=INVENTORY,
        parquet=f"{RESULTS}/inventory/inventory.parquet",
        csv=report(
            f"{RESULTS}/inventory/inventory.csv",
            caption="../report/inventory.rst",
            category="Inventory",
        ),
        omissions=report(
            f"{RESULTS}/inventory/omissions.csv",
            caption="../report/omissions.rst",
            category="Inventory",
        ),
        shares=f"{RESULTS}/inventory/class_shares.csv",
    log:
        f"{LOGS}/inventory.log",
    benchmark:
        f"{COSTS}/inventory.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        ground=" ".join(option(name, file) for name, file in GROUND.items()),
        found_by=found_by,
        year=campaign.imagery.mapping_year,
        growth=lambda _, input: repeated("growth", input.growth),
        options=as_options(campaign.inventory),
    message:
        "Attributes of the inventory"
    shell:
        "python -m slumpmap inventory --grid {input.grid:q} --slumps {input.slumps:q} {params.ground}"
        " --catalogue {input.catalogue:q} --year {params.year:q} {params.found_by} {params.growth}"
        " {params.options} --out {output.gpkg:q} 2> {log:q}"


if campaign.arts is not None:

    rule arts:
        input:
            INVENTORY,
        output:
            gpkg=f"{RESULTS}/inventory/arts.gpkg",
            geojson=f"{RESULTS}/inventory/arts.geojson",
        log:
            f"{LOGS}/arts.log",
        benchmark:
            f"{COSTS}/arts.tsv"
        conda:
            "../../envs/geo.yaml"
        params:
            resolution=campaign.grid.resolution,
            options=as_options(campaign.arts),
        message:
            "Export for ARTS"
        shell:
            "python -m slumpmap arts --inventory {input:q} --resolution {params.resolution:q} {params.options}"
            " --out {output.gpkg:q} 2> {log:q}"
