# Probability tiles to polygons to the ledger of candidates.
for number, batch in enumerate(BATCHES):

    rule:
        name:
            f"parts_{number:03d}"
        input:
            grid=GRID,
            tiles=[f"{ITERATION}/probability/{tile}.tif" for tile in with_margin(batch, 1)],
        output:
            passing([f"{ITERATION}/parts/{tile}.parquet" for tile in batch]),
        log:
            f"{LOGS}/{{n}}/parts_{number:03d}.log",
        benchmark:
            f"{COSTS}/{{n}}/parts_{number:03d}.tsv"
        conda:
            "../../envs/geo.yaml"
        params:
            folder=output_folder,
            probability=folder_of("tiles"),
            tiles=",".join(batch),
            options=as_options(campaign.candidates, ["threshold", "connectivity"]),
        message:
            f"Iteration {{wildcards.n}}: tracing polygons, {which_batch(number, BATCHES)}"
        shell:
            "python -m slumpmap parts --grid {input.grid:q} --probability {params.probability:q} --tiles {params.tiles:q}"
            " {params.options} --out {params.folder:q} 2> {log:q}"


rule polygons:
    input:
        grid=GRID,
        parts=expand("{folder}/parts/{tile}.parquet", folder=ITERATION, tile=TILES, allow_missing=True),
    output:
        f"{ITERATION}/candidates/polygons.gpkg",
    log:
        f"{LOGS}/{{n}}/polygons.log",
    benchmark:
        f"{COSTS}/{{n}}/polygons.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        parts=folder_of("parts"),
        area=option("area-crs", campaign.inventory.area_crs),
        options=as_options(campaign.candidates, ["mmu_ha", "connectivity"]),
    message:
        "Iteration {wildcards.n}: joining polygons across tiles"
    shell:
        "python -m slumpmap polygons --grid {input.grid:q} --parts {params.parts:q} {params.area} {params.options}"
        " --out {output:q} 2> {log:q}"


rule ledger:
    input:
        polygons=f"{ITERATION}/candidates/polygons.gpkg",
        slumps=f"{ITERATION}/labels/positives.gpkg",
        rejected=before("outcome/rejected.gpkg"),
    output:
        gpkg=f"{ITERATION}/candidates/candidates.gpkg",
        parquet=f"{ITERATION}/candidates/candidates.parquet",
    log:
        f"{LOGS}/{{n}}/ledger.log",
    benchmark:
        f"{COSTS}/{{n}}/ledger.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        number=lambda wildcards: int(wildcards.n),
        rejected=lambda wildcards, input: option("rejected", input.rejected),
        options=as_options(campaign.ledger),
    message:
        "Iteration {wildcards.n}: comparing with known and rejected places"
    shell:
        "python -m slumpmap ledger --polygons {input.polygons:q} --slumps {input.slumps:q} {params.rejected}"
        " --iteration {params.number:q} {params.options} --out {output.gpkg:q} 2> {log:q}"
