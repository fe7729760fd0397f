# All slumps of the campaign with their attributes.
INVENTORY = f"{RESULTS}/inventory/inventory.gpkg"
SLUMPS = f"{RESULTS}/inventory/slumps.gpkg"


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
        roads=given(INPUTS.roads),
        dem=given(INPUTS.dem),
        slope=[SLOPE] if HAS_DEM else [],
        aspect=[ASPECT] if HAS_DEM else [],
        growth=of_all_iterations("review/growth.gpkg") if GROWS else [],
    output:
        gpkg=INVENTORY,
        parquet=f"{RESULTS}/inventory/inventory.parquet",
        csv=report(
            f"{RESULTS}/inventory/inventory.csv",
            caption="../report/inventory.rst",
            category="Inventory",
        ),
    log:
        f"{LOGS}/inventory.log",
    benchmark:
        f"{COSTS}/inventory.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        roads=option("roads", INPUTS.roads),
        dem=option("dem", INPUTS.dem),
        slope=option("slope", SLOPE if HAS_DEM else None),
        aspect=option("aspect", ASPECT if HAS_DEM else None),
        growth=lambda _, input: repeated("growth", input.growth),
        options=as_options(campaign.inventory),
    message:
        "Attributes of the inventory"
    shell:
        "python -m slumpmap inventory --grid {input.grid:q} --slumps {input.slumps:q} {params.roads} {params.dem}"
        " {params.slope} {params.aspect} {params.growth} {params.options} --out {output.gpkg:q} 2> {log:q}"
