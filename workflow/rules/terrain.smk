# What the elevation model says of itself: slope, aspect, position, radiation, streams.
TERRAIN_FOLDER = f"{RESULTS}/terrain"
SLOPE = f"{TERRAIN_FOLDER}/slope.tif"
ASPECT = f"{TERRAIN_FOLDER}/aspect.tif"
HAS_DEM = INPUTS.dem is not None
TERRAIN_FILES = {
    "tpi": [f"{TERRAIN_FOLDER}/tpi.tif"],
    "pisr": [f"{TERRAIN_FOLDER}/pisr.tif", f"{TERRAIN_FOLDER}/pisr_unreliable.tif"],
    "streams": [f"{TERRAIN_FOLDER}/streams.gpkg", f"{TERRAIN_FOLDER}/stream_distance.tif"],
}
TERRAIN_PRODUCTS = [file for name in campaign.terrain.products if HAS_DEM for file in TERRAIN_FILES[name]]


if HAS_DEM:

    rule slope:
        input:
            dem=INPUTS.dem,
            checked=LAYERS_CHECKED,
        output:
            slope=SLOPE,
            aspect=ASPECT,
        log:
            f"{LOGS}/slope.log",
        benchmark:
            f"{COSTS}/slope.tsv"
        conda:
            "../../envs/geo.yaml"
        params:
            options=as_options(campaign.terrain, SlopeSettings.model_fields),
        message:
            "Slope and aspect of the DEM"
        shell:
            "python -m slumpmap terrain slope --dem {input.dem:q} {params.options}"
            " --out-aspect {output.aspect:q} --out {output.slope:q} 2> {log:q}"

    rule tpi:
        input:
            dem=INPUTS.dem,
            checked=LAYERS_CHECKED,
        output:
            TERRAIN_FILES["tpi"],
        log:
            f"{LOGS}/tpi.log",
        benchmark:
            f"{COSTS}/tpi.tsv"
        conda:
            "../../envs/geo.yaml"
        params:
            options=as_options(campaign.terrain, PositionSettings.model_fields),
        message:
            "Topographic position"
        shell:
            "python -m slumpmap terrain tpi --dem {input.dem:q} {params.options} --out {output:q} 2> {log:q}"

    rule pisr:
        input:
            dem=INPUTS.dem,
            checked=LAYERS_CHECKED,
        output:
            radiation=TERRAIN_FILES["pisr"][0],
            unreliable=TERRAIN_FILES["pisr"][1],
        log:
            f"{LOGS}/pisr.log",
        benchmark:
            f"{COSTS}/pisr.tsv"
        conda:
            "../../envs/geo.yaml"
        threads: 2
        resources:
            mem_mb=growing(3000),
            runtime=growing(240),
        params:
            options=as_options(campaign.terrain, RadiationSettings.model_fields),
        message:
            "Potential incoming solar radiation"
        shell:
            "python -m slumpmap terrain pisr --dem {input.dem:q} {params.options} --threads {threads:q}"
            " --out-unreliable {output.unreliable:q} --out {output.radiation:q} 2> {log:q}"

    rule streams:
        # The DEM as a whole, since drainage is global: 24 bytes a cell.
        input:
            dem=INPUTS.dem,
            checked=LAYERS_CHECKED,
        output:
            lines=TERRAIN_FILES["streams"][0],
            distance=TERRAIN_FILES["streams"][1],
        log:
            f"{LOGS}/streams.log",
        benchmark:
            f"{COSTS}/streams.tsv"
        conda:
            "../../envs/geo.yaml"
        resources:
            mem_mb=growing(4000),
            runtime=growing(240),
        params:
            options=as_options(campaign.terrain, StreamSettings.model_fields),
        message:
            "Stream network"
        shell:
            "python -m slumpmap terrain streams --dem {input.dem:q} {params.options}"
            " --out-distance {output.distance:q} --out {output.lines:q} 2> {log:q}"
