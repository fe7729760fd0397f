"""Clocks that were set back or forward: files from the future or of years ago."""

import os
import time

import pytest

from slumpmap.clock import bring_to_now, refuse_future
from slumpmap.errors import InputError
from tests.faults.conftest import copy_of, steps_done

DAY = 86400


def at(path, seconds):
    """Gives a file a time so many seconds from now."""
    moment = time.time() + seconds
    os.utime(path, (moment, moment))
    return moment


def test_files_from_the_future_get_one_time_and_others_keep_theirs(tmp_path):
    early, late, later = (tmp_path / "a" / name for name in ("early", "late", "later"))
    early.parent.mkdir()
    for path in (early, late, later):
        path.touch()
    past = at(early, -DAY)
    at(late, 100)
    at(later, DAY)
    assert bring_to_now(tmp_path) == 2
    assert early.stat().st_mtime == pytest.approx(past, abs=1e-3)
    assert late.stat().st_mtime == later.stat().st_mtime == pytest.approx(time.time(), abs=10)
    assert bring_to_now(tmp_path) == bring_to_now(tmp_path / "nowhere") == 0


def test_input_from_the_future_is_refused_and_left_as_it_is(tmp_path):
    scene = tmp_path / "scene.tif"
    scene.touch()
    refuse_future([scene, tmp_path / "missing"])
    moment = at(scene, DAY)
    with pytest.raises(InputError, match=r"scene.tif: was changed in the future .* `touch` the file"):
        refuse_future([tmp_path, scene])
    assert scene.stat().st_mtime == pytest.approx(moment, abs=1e-3)


def shift(campaign, seconds, chosen=lambda _: True):
    """Moves the times of results and of snakemake's notes on them."""
    for place in (campaign.folder / "results", campaign.folder / ".snakemake" / "metadata"):
        for path in place.rglob("*"):
            if path.is_file() and chosen(path):
                moment = path.stat().st_mtime + seconds
                os.utime(path, (moment, moment))


@pytest.mark.faults
@pytest.mark.parametrize("case", ["all results a day ahead", "half of the work before the clock was set back"])
def test_clock_set_back_ends_with_the_same_products_and_no_loop(reference, tmp_path, case):
    campaign = copy_of(reference, tmp_path)
    if case.startswith("half"):
        campaign.rewind("02/outcome.log")
        half = campaign.path("iterations/01/outcome/outcome.json").stat().st_mtime
        shift(campaign, DAY, lambda path: path.stat().st_mtime <= half)
    else:
        shift(campaign, DAY)
    first, output = campaign.run()
    assert first == 0, output
    done = steps_done(output)
    second, output = campaign.run()
    assert second == 0 and "Nothing to be done" in output, output
    assert campaign.same_as(reference)
    print(f"\nclock set back, {case}: {done} jobs again, then none; products as unbroken")


@pytest.mark.faults
def test_decision_from_the_future_is_refused_before_any_work(reference, tmp_path):
    campaign = copy_of(reference, tmp_path)
    campaign.rewind("02/outcome.log")
    decision = campaign.folder / "decisions" / "02" / "anna.gpkg"
    at(decision, DAY)
    status, output = campaign.run()
    assert status != 0 and "decisions/02/anna.gpkg: was changed in the future" in output, output
    at(decision, 0)
    status, output = campaign.run()
    assert status == 0, output
    assert campaign.same_as(reference)
    print("\ndecision from the future: refused; touched: products as unbroken")
