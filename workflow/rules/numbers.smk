# The numbers of a results section, in words, and beside those that are published.
NUMBERS = f"{STUDY}/summary.json"
PUBLISHED = f"{GIVEN}/published.csv"
# Sides of the cells in which slumps are counted, km.
CELLS = (10, 25)


rule numbers:
    # What the inventory says; results/<campaign>/summary.json says what the campaign did and cost.
    input:
        grid=GRID,
        inventory=studied,
        bins=f"{LANDSCAPE}/bins.csv",
        figures=f"{LANDSCAPE}/landscape.json",
        cells=[f"{STUDY}/cells_{side}km.gpkg" for side in CELLS],
        zones=zones_file(),
    output:
        NUMBERS,
    log:
        f"{LOGS}/analysis/{{study}}/numbers.log",
    benchmark:
        f"{COSTS}/analysis/{{study}}/numbers.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        landscape=folder_of("bins"),
        campaign=campaign.campaign,
        synthetic="--synthetic" if DEMO is not None else "",
        cells=lambda wildcards, input: " ".join(
            option("cells", f"{side}={file}") for side, file in zip(CELLS, input.cells)
        ),
        zones=lambda wildcards, input: repeated("zones", input.zones),
        options=as_options(campaign.inventory),
    message:
        "Numbers of the {wildcards.study} inventory"
    shell:
        "python -m slumpmap numbers --grid {input.grid:q} --inventory {input.inventory:q}"
        " --landscape {params.landscape:q} --campaign {params.campaign:q} --study {wildcards.study:q} {params.synthetic}"
        " {params.cells} {params.zones} {params.options} --out {output:q} 2> {log:q}"


if campaign.analysis.published:

    rule published:
        input:
            f"{GIVEN}/summary.json",
        output:
            csv=report(
                PUBLISHED,
                caption="../report/published.rst",
                category="Analysis",
                labels={"inventory": "given", "table": "published numbers"},
            ),
            markdown=f"{GIVEN}/published.md",
        log:
            f"{LOGS}/analysis/given/published.log",
        benchmark:
            f"{COSTS}/analysis/given/published.tsv"
        conda:
            "../../envs/geo.yaml"
        message:
            "The published numbers beside ours"
        shell:
            "python -m slumpmap published --summary {input:q} --out {output.csv:q} 2> {log:q}"


rule results:
    input:
        summary=NUMBERS,
        tables=lambda wildcards: analysed([wildcards.study]),
        published=published_file,
    output:
        report(
            f"{STUDY}/results.md",
            caption="../report/results.rst",
            category="Analysis",
            labels={"inventory": "{study}", "table": "results in words"},
        ),
    log:
        f"{LOGS}/analysis/{{study}}/results.log",
    benchmark:
        f"{COSTS}/analysis/{{study}}/results.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        tables=folder_of("summary"),
        published=lambda wildcards, input: repeated("published", input.published),
    message:
        "Results of the {wildcards.study} inventory in words"
    shell:
        "python -m slumpmap results --summary {input.summary:q} --tables {params.tables:q} {params.published}"
        " --out {output:q} 2> {log:q}"
