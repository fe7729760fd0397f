# Scenes to 8-bit tiles, per year and per tile.
rule scaling:
    input:
        grid=GRID,
        catalogue=CATALOGUE,
    output:
        SCALING,
    log:
        f"{LOGS}/scaling.log",
    benchmark:
        f"{COSTS}/scaling.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        bands=",".join(map(str, campaign.imagery.bands)),
        options=as_options(campaign.imagery, ScalingSettings.model_fields),
    message:
        "Writing the campaign's 8-bit scaling"
    shell:
        "python -m slumpmap scaling --grid {input.grid:q} --catalogue {input.catalogue:q} --bands {params.bands}"
        " {params.options} --out {output:q} 2> {log:q}"


for number, batch in enumerate(BATCHES):

    rule:
        name:
            f"tiles_{number:03d}"
        input:
            grid=GRID,
            catalogue=CATALOGUE,
            scaling=SCALING,
        output:
            [f"{RESULTS}/imagery/{{year}}/{tile}.tif" for tile in batch],
        log:
            f"{LOGS}/tiles_{number:03d}_{{year}}.log",
        benchmark:
            f"{COSTS}/tiles_{number:03d}_{{year}}.tsv"
        conda:
            "../../envs/geo.yaml"
        resources:
            mem_mb=2000,
        params:
            folder=output_folder,
            tiles=",".join(batch),
            options=as_options(campaign.imagery, CompositeSettings.model_fields),
        message:
            f"Compositing {len(batch)} tiles of {{wildcards.year}}, batch {number + 1} of {len(BATCHES)}"
        shell:
            "python -m slumpmap tiles --grid {input.grid:q} --catalogue {input.catalogue:q} --scaling {input.scaling:q}"
            " --year {wildcards.year} --tiles {params.tiles} {params.options} --out {params.folder:q} 2> {log:q}"
