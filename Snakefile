# slumpmap: from satellite scenes to a reviewed inventory of thaw slumps, one DAG, re-run once per iteration.
#
#   snakemake --cores all --configfile config/demo.yaml
from snakemake.utils import min_version

min_version("9.0")

if "campaign" not in config:

    configfile: "config/demo.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/cluster.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/imagery.smk"
include: "workflow/rules/learning.smk"
include: "workflow/rules/candidates.smk"
include: "workflow/rules/review.smk"
include: "workflow/rules/ranking.smk"
include: "workflow/rules/terrain.smk"
include: "workflow/rules/growth.smk"
include: "workflow/rules/inventory.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/numbers.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/site.smk"
include: "workflow/rules/exchange.smk"
include: "workflow/rules/crossval.smk"


# On a cluster these run beside the main process: a job of its own would cost each of them more than its work.
localrules:
    all,
    grid,
    mosaic,
    review_template,
    outcome,
    training_figure,
    reliability_figure,
    iterations_figure,
    missing,
    table2,
    summary,
    crossval_table,
    crossval,
    qgis_project,


rule all:
    default_target: True
    input:
        products,


onsuccess:
    print(closing_words())
