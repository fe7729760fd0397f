"""Animations and contact sheets: every date in its order, every candidate in the order of the queue."""

import numpy as np
import pytest
from PIL import Image
from room_maker import Campaign

from slumpmap.errors import InputError
from slumpmap.review.timelapse import make_files
from slumpmap.vector import read_layer, write_layer


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    made = Campaign(tmp_path_factory.mktemp("timelapse"), [(400 + 60 * n, 300) for n in range(10)])
    made.render()
    return made


def make(campaign, out, *kinds):
    make_files(campaign.iteration / "review/chips", campaign.iteration / "review/queue.gpkg", kinds, out)
    return sorted(path.name for path in out.iterdir())


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_an_animation_shows_all_years_and_repeats(campaign, tmp_path, kind):
    names = make(campaign, tmp_path, kind)
    assert names == [f"01-c{number:04d}.{kind}" for number in range(10)]
    with Image.open(tmp_path / names[0]) as film:
        assert (film.n_frames, film.info["loop"]) == (3, 0)
        middles = []
        for frame in range(3):
            film.seek(frame)
            middles.append(np.asarray(film.convert("RGB")).astype(int)[235:245, 235:245].mean())
    assert middles[0] < middles[1] - 20 < middles[2]


def test_sheets_hold_eight_candidates_each_in_the_order_of_the_queue(campaign, tmp_path):
    assert make(campaign, tmp_path, "sheets") == ["sheet_001.jpg", "sheet_002.jpg"]
    with Image.open(tmp_path / "sheet_001.jpg") as page, Image.open(tmp_path / "sheet_002.jpg") as rest:
        assert page.width == rest.width
        assert page.height > 3.5 * rest.height


def test_a_candidate_without_pictures_is_named(campaign, tmp_path):
    queue = read_layer(campaign.iteration / "review/queue.gpkg", "queue")
    queue.loc[3, "id"] = "01-c9999"
    write_layer(queue, tmp_path / "queue.gpkg")
    with pytest.raises(InputError, match="there are no pictures of 01-c9999"):
        make_files(campaign.iteration / "review/chips", tmp_path / "queue.gpkg", ["sheets"], tmp_path / "out")


def test_nothing_to_inspect_makes_an_empty_folder(tmp_path):
    made = Campaign(tmp_path, [])
    made.render()
    assert make(made, tmp_path / "out", "sheets", "webp") == []
