from __future__ import annotations

import numpy as np

from slumpmap.demo.noise import fbm_grid, fbm_point


def test_windows_of_one_field_agree() -> None:
    whole = fbm_grid((40, 60), 1000.0, 2000.0, 3.0, 50.0, 4, seed=7)
    part = fbm_grid((10, 20), 1000.0 + 15 * 3.0, 2000.0 - 12 * 3.0, 3.0, 50.0, 4, seed=7)
    np.testing.assert_allclose(part, whole[12:22, 15:35], rtol=0, atol=1e-9)


def test_row_and_point_agree() -> None:
    whole = fbm_grid((5, 5), 495000.0, 3840000.0, 3.0, 40.0, 3, seed=11)
    assert abs(whole[3, 2] - fbm_point(495006.0, 3839991.0, 40.0, 3, 0.5, 11)) < 1e-9


def test_noise_has_unit_spread_and_streams_differ() -> None:
    one, other = (fbm_grid((300, 300), 0.0, 0.0, 10.0, 60.0, 3, seed=seed) for seed in (1, 2))
    assert abs(one.mean()) < 0.1
    assert 0.8 < one.std() < 1.25
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.1
