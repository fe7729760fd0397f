# Scenes to 8-bit tiles, per year and per tile; and the tiles with further layers, if the network is to see more.
from slumpmap.settings.imagery import TERRAIN_LAYERS, LayerSettings

LAYERS = campaign.imagery.layers
# The tiles that the network sees, and what their bands are. People see those of IMAGERY.
LEARNING_IMAGERY = f"{IMAGERY}_layers" if LAYERS else IMAGERY
LEARNING_BANDS = campaign.imagery.band_names
# The files of rule slope that the layers need.
TERRAIN = [f"{RESULTS}/terrain/{name}.tif" for name in ("slope", "aspect") if set(LAYERS) & set(TERRAIN_LAYERS)]


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
        bands=",".join(map(str, campaign.imagery.bands_read)),
        options=as_options(campaign.imagery, ScalingSettings.model_fields),
    message:
        "Writing the campaign's 8-bit scaling"
    shell:
        "python -m slumpmap scaling --grid {input.grid:q} --catalogue {input.catalogue:q} --bands {params.bands:q}"
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
            mem_mb=growing(2000),
            runtime=growing(240),
        params:
            folder=output_folder,
            tiles=",".join(batch),
            options=as_options(campaign.imagery, CompositeSettings.model_fields),
        message:
            f"Compositing {len(batch)} tiles of {{wildcards.year}}, {which_batch(number, BATCHES)}"
        shell:
            "python -m slumpmap tiles --grid {input.grid:q} --catalogue {input.catalogue:q} --scaling {input.scaling:q}"
            " --year {wildcards.year:q} --tiles {params.tiles:q} {params.options} --out {params.folder:q} 2> {log:q}"


rule mosaic:
    # One raster for any GIS; and what needs a whole year waits for this file rather than for each tile.
    input:
        grid=GRID,
        tiles=expand("{results}/imagery/{{images}}/{tile}.tif", results=RESULTS, tile=TILES),
    output:
        f"{RESULTS}/imagery/{{images}}/mosaic.vrt",
    log:
        f"{LOGS}/mosaic_{{images}}.log",
    benchmark:
        f"{COSTS}/mosaic_{{images}}.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        folder=output_folder,
        bands=lambda wildcards: ",".join(LEARNING_BANDS if wildcards.images.endswith("_layers") else LEARNING_BANDS[:3]),
    message:
        "Joining the tiles of {wildcards.images}"
    shell:
        "python -m slumpmap mosaic --grid {input.grid:q} --folder {params.folder:q} --bands {params.bands:q}"
        " --out {output:q} 2> {log:q}"


if LAYERS:

    for number, batch in enumerate(BATCHES):

        rule:
            name:
                f"layers_{number:03d}"
            input:
                grid=GRID,
                catalogue=CATALOGUE,
                scaling=SCALING,
                tiles=[f"{RESULTS}/imagery/{{year}}/{tile}.tif" for tile in batch],
                terrain=TERRAIN,
            output:
                [f"{RESULTS}/imagery/{{year}}_layers/{tile}.tif" for tile in batch],
            log:
                f"{LOGS}/layers_{number:03d}_{{year}}.log",
            benchmark:
                f"{COSTS}/layers_{number:03d}_{{year}}.tsv"
            conda:
                "../../envs/geo.yaml"
            resources:
                mem_mb=growing(2000),
                runtime=growing(240),
            params:
                imagery=folder_of("tiles"),
                folder=output_folder,
                tiles=",".join(batch),
                terrain=" ".join(option(Path(file).stem, file) for file in TERRAIN),
                options=as_options(campaign.imagery, LayerSettings.model_fields),
            message:
                f"Adding {', '.join(LAYERS)} to {len(batch)} tiles of {{wildcards.year}}, {which_batch(number, BATCHES)}"
            shell:
                "python -m slumpmap layers --grid {input.grid:q} --catalogue {input.catalogue:q} --scaling {input.scaling:q}"
                " --imagery {params.imagery:q} {params.terrain} --year {wildcards.year:q} --tiles {params.tiles:q} {params.options}"
                " --out {params.folder:q} 2> {log:q}"
