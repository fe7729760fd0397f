"""Commands of people's decisions, and what follows from them."""

from __future__ import annotations

from pathlib import Path

import click

from slumpmap.cli.shared import out_option, path_option, seed_option
from slumpmap.options import with_settings
from slumpmap.settings.review import BoundarySettings, ExpertSettings


@click.command("review-template")
@path_option("candidates", "candidates of the iteration")
@out_option
def review_template(candidates: Path, out: Path) -> None:
    """Write the decision file that a reviewer fills in."""
    from slumpmap.review.decisions import write_template

    write_template(candidates, out)


@click.command("simulate-review")
@path_option("candidates", "candidates of the iteration")
@path_option("known", "slumps known before")
@path_option("truth", "true outlines")
@path_option("disputed-by", "reviewers' decision files; given, only disputes are decided", False, multiple=True)
@click.option("--reviewer", required=True, help="name of the expert")
@seed_option
@with_settings(ExpertSettings)
@out_option
def simulate_review(
    candidates: Path,
    known: Path,
    truth: Path,
    disputed_by: tuple[Path, ...],
    reviewer: str,
    seed: int,
    settings: ExpertSettings,
    out: Path,
) -> None:
    """Write a simulated expert's decision file."""
    from slumpmap.review.simulated import simulate_reviewer

    simulate_reviewer(candidates, known, truth, reviewer, seed, settings, out, disputed_by)


@click.command("outcome")
@path_option("candidates", "candidates of the iteration")
@path_option("positives", "slumps known when the iteration began")
@path_option("negatives", "negatives of the iteration's training")
@path_option("rejected", "places rejected in earlier iterations", required=False)
@click.option("--reviewer", "reviewers", multiple=True, required=True, help="name of a reviewer, or NAME=FILE")
@click.option("--adjudicator", required=True, help="name of the adjudicator, or NAME=FILE")
@click.option("--iteration", type=int, required=True, help="number of the iteration")
@with_settings(BoundarySettings)
@out_option
def outcome(
    candidates: Path,
    positives: Path,
    negatives: Path,
    rejected: Path | None,
    reviewers: tuple[str, ...],
    adjudicator: str,
    iteration: int,
    settings: BoundarySettings,
    out: Path,
) -> None:
    """Count the decisions of an iteration and write what follows from them."""
    from slumpmap.review.outcome import make_outcome

    def named_file(text: str) -> tuple[str, Path | None]:
        name, _, file = text.partition("=")
        return name, Path(file) if file else None

    opinions = dict(named_file(text) for text in reviewers)
    make_outcome(
        candidates, positives, negatives, rejected, opinions, named_file(adjudicator), iteration, settings.boundary, out
    )


@click.command("slumps")
@path_option("positives", "slumps known when the last iteration began")
@path_option("accepted", "slumps found in it")
@out_option
def slumps(positives: Path, accepted: Path, out: Path) -> None:
    """Write all slumps of the campaign so far."""
    from slumpmap.labels import all_slumps

    all_slumps(positives, accepted, out)


@click.command("evaluate")
@path_option("slumps", "all slumps, with `iteration_found`")
@path_option("candidates", "candidates of an iteration; once for each, in order", False, multiple=True)
@path_option("truth", "true outlines")
@path_option("area", "polygon in which the evaluation counts", required=False)
@click.option("--mmu-ha", type=float, default=0.05, show_default=True, help="smallest true slump that counts, ha")
@out_option
def evaluate(
    slumps: Path, candidates: tuple[Path, ...], truth: Path, area: Path | None, mmu_ha: float, out: Path
) -> None:
    """Compare slumps and candidates with the truth."""
    from slumpmap.inventory.evaluate import evaluate as compare

    compare(slumps, truth, mmu_ha, out, area, candidates)


COMMANDS = (
    review_template,
    simulate_review,
    outcome,
    slumps,
    evaluate,
)
