"""The joint model against a hand calculation, and against landscapes in which it is known what slumps follow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from slumpmap.inventory.joint import Factor, joint_model
from slumpmap.inventory.sensitivity import sensitivity

AROUND = 4000.0


def smooth(rng, xy, scale=8000.0):
    """A random field over the area: a sum of waves."""
    waves = rng.normal(0, 1 / scale, (12, 2)) * 2 * np.pi
    return np.cos(xy @ waves.T + rng.uniform(0, 2 * np.pi, 12)).sum(axis=1) / np.sqrt(6)


def terrain(seed, strength, count=4000, slumps=400):
    """Points with factors; slumps follow `strength`, a function of the table, of logarithms."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 100e3, (100 * slumps, 2))
    slope = smooth(rng, xy)
    table = pd.DataFrame(
        {
            "slope": 6 + 3 * slope,
            "radiation": 3000 + 100 * (0.8 * slope + 0.6 * smooth(rng, xy)),  # goes with the slope
            "elevation": 4700 + 150 * smooth(rng, xy),
            "aspect": np.degrees(np.arctan2(smooth(rng, xy), smooth(rng, xy))) % 360,
            "vegetation": np.where(smooth(rng, xy) > 0, "meadow", "steppe"),
        }
    )
    odds = np.exp(strength(table))
    is_slump = rng.random(len(xy)) < odds / odds.max()
    chosen = np.flatnonzero(is_slump)[:slumps]
    others = rng.choice(len(xy), count, replace=False)
    return table.iloc[chosen], xy[chosen], table.iloc[others], xy[others]


FACTORS = (
    Factor("slope"),
    Factor("radiation"),
    Factor("elevation", "hump"),
    Factor("aspect", "direction"),
    Factor("vegetation", "class"),
)


def newton(matrix, is_slump, ridge):
    """Penalized logistic regression by Newton's method, the intercept free."""
    x = np.column_stack([np.ones(len(matrix)), matrix])
    penalty = ridge * np.diag([0.0] + [1.0] * matrix.shape[1])
    beta = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x.T @ (is_slump - p) - penalty @ beta
        beta += np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + penalty, gradient)
    return beta[1:]


@pytest.fixture(scope="module")
def followed():
    """Slumps on slopes, towards the north, at middle elevations; radiation and vegetation do nothing by themselves."""

    def strength(table):
        height = (table["elevation"] - 4700) / 150
        return (
            1.0 * (table["slope"] - 6) / 3
            + 1.2 * np.cos(np.radians(table["aspect"]))
            - 0.8 * height**2
        )  # fmt: skip

    return terrain(1, strength)


@pytest.fixture(scope="module")
def fitted(followed):
    return joint_model(*followed, FACTORS, AROUND, 1, repeats=60)


def test_coefficients_by_hand(followed, fitted):
    """Standardized by the landscape, solved by Newton's method."""
    slumps, _, landscape, _ = followed
    both, is_slump = pd.concat([slumps, landscape]), np.repeat([1.0, 0.0], [len(slumps), len(landscape)])
    z = {name: (both[name] - landscape[name].mean()) / landscape[name].std(ddof=0) for name in both.columns[:3]}
    angle = np.radians(both["aspect"])
    reference = landscape["vegetation"].value_counts().index[0]
    columns = [z["slope"], z["radiation"], z["elevation"], z["elevation"] ** 2, np.cos(angle), np.sin(angle),
               (both["vegetation"] != reference).astype(float)]  # fmt: skip
    expected = newton(np.column_stack(columns), is_slump, 1.0)
    np.testing.assert_allclose(fitted.coefficients["coefficient"], expected, atol=1e-6)
    assert fitted.coefficients["term"].tolist()[:6] == [
        "slope", "radiation", "elevation", "elevation squared", "aspect: north", "aspect: east",
    ]  # fmt: skip


def test_signs_and_sizes(fitted):
    """What was put in comes out: 1.2 towards the north, nothing towards the east, an optimum in the middle."""
    terms = fitted.coefficients.set_index("term")
    assert terms.loc["aspect: north", "coefficient"] == pytest.approx(1.2, abs=0.25)
    assert terms.loc["aspect: east", "coefficient"] == pytest.approx(0, abs=0.25)
    assert terms.loc["elevation squared", "upper"] < 0
    assert terms.loc["slope", "lower"] > 0
    assert (terms["lower"] <= terms["coefficient"]).all() and (terms["coefficient"] <= terms["upper"]).all()


def test_which_factor_holds_after_the_others(fitted):
    """Radiation goes with the slope: by itself it tells slumps apart, beside the slope it adds nothing."""
    factors = fitted.factors.set_index("factor")
    assert factors["holds"].to_dict() == {
        "slope": True, "radiation": False, "elevation": True, "aspect": True, "vegetation": False,
    }  # fmt: skip
    assert factors.loc["radiation", "alone"] > 0.05
    assert abs(factors.loc["radiation", "after_others"]) < 0.02
    assert fitted.auc > 0.75 and fitted.gain > factors["alone"].max()
    assert (fitted.slumps, fitted.landscape, fitted.dropped) == (400, 4000, 0)


def test_dependence(fitted):
    """North three times as likely as south and more; the middle elevations above both ends."""
    by_factor = {name: rows.set_index("value")["relative"] for name, rows in fitted.dependence.groupby("factor")}
    aspect = by_factor["aspect"]
    north = fitted.coefficients.set_index("term").loc["aspect: north", "coefficient"]
    # Cosine and sine are all that the model knows of the aspect.
    assert np.log(aspect[0.0] / aspect[180.0]) == pytest.approx(2 * north)
    elevation = by_factor["elevation"]
    assert elevation.idxmax() == pytest.approx(4700, abs=60)
    assert elevation.iloc[12] > 3 * max(elevation.iloc[0], elevation.iloc[-1])
    assert set(by_factor["vegetation"].index) == {"meadow", "steppe"}
    assert by_factor["slope"].is_monotonic_increasing


def test_trees_find_the_same(followed):
    chosen = [factor for factor in FACTORS if factor.name != "radiation"]
    found = joint_model(*followed, chosen, AROUND, 1, model="trees", folds=3, repeats=60)
    factors = found.factors.set_index("factor")
    assert factors.loc[["slope", "elevation", "aspect"], "holds"].all()
    assert not factors.loc["vegetation", "holds"] and found.coefficients.empty
    aspect = found.dependence[found.dependence["factor"] == "aspect"].set_index("value")["relative"]
    assert aspect[0.0] > 2 * aspect[180.0]


def test_a_preference_for_nothing():
    """Slumps at random: no factor holds, and what was not seen is predicted no better than by chance."""
    found = joint_model(*terrain(5, lambda table: np.zeros(len(table))), FACTORS, AROUND, 1, repeats=60)
    assert found.factors["holds"].sum() <= 1 and abs(found.auc - 0.5) < 0.06 and found.gain < 0.01


def test_places_learned_by_heart_do_not_count():
    """Slumps in clusters, factors that only say where: folds of single rows take them for causes, blocks do not."""
    rng = np.random.default_rng(2)
    centres = rng.uniform(0, 100e3, (20, 2))
    xy = np.repeat(centres, 20, axis=0) + rng.normal(0, 100, (400, 2))
    points = rng.uniform(0, 100e3, (2000, 2))
    there, landscape = (pd.DataFrame(places, columns=["x", "y"]) for places in (xy, points))
    factors = [Factor("x"), Factor("y")]
    blocked, single = (
        joint_model(there, xy, landscape, points, factors, block_m, 1, "trees", 3, repeats=20)
        for block_m in (10_000, 1)
    )
    assert single.auc > 0.9 and blocked.auc < 0.65
    assert single.factors["holds"].all() and not blocked.factors["holds"].any()


def test_class_without_slumps_stays_finite(followed):
    slumps, xy, landscape, points = followed
    landscape = landscape.assign(vegetation=np.where(np.arange(len(landscape)) % 10 == 0, "rock", "meadow"))
    found = joint_model(slumps.assign(vegetation="meadow"), xy, landscape, points, [Factor("vegetation", "class")],
                        AROUND, 1, repeats=30)  # fmt: skip
    row = found.coefficients.iloc[0]
    assert row["term"] == "vegetation: rock" and -20 < row["coefficient"] < -2


def test_unknown_values_are_counted_and_nonsense_refused(followed):
    slumps, xy, landscape, points = followed
    gaps = slumps.assign(slope=slumps["slope"].where(np.arange(len(slumps)) > 4))
    assert joint_model(gaps, xy, landscape, points, [Factor("slope")], AROUND, 1, repeats=5).dropped == 5
    with pytest.raises(ValueError, match="lacks the column soil"):
        joint_model(slumps, xy, landscape, points, [Factor("soil")], AROUND, 1)
    with pytest.raises(ValueError, match="too few for 5 folds"):
        joint_model(slumps, xy * 0, landscape, points, [Factor("slope")], AROUND, 1)
    with pytest.raises(ValueError, match="none of number"):
        Factor("slope", "angle")


def test_newton_itself_on_a_table_of_two_by_two():
    """Without penalty the coefficient of a yes/no factor is the log odds ratio: ln (30 70 / 10 90)."""
    matrix = np.repeat([[1.0], [0.0], [1.0], [0.0]], [30, 10, 90, 70], axis=0)
    is_slump = np.repeat([1.0, 1.0, 0.0, 0.0], [30, 10, 90, 70])
    assert newton(matrix, is_slump, 0.0)[0] == pytest.approx(np.log(30 * 70 / (10 * 90)))
    assert LogisticRegression(C=1e9).fit(matrix, is_slump).coef_[0, 0] == pytest.approx(np.log(7 / 3), abs=1e-3)


# --- sensitivity ----------------------------------------------------------------------------------------------------


def test_sensitivity_by_hand():
    area = np.array([1.0, 2.0, 3.0, 10.0, 4.0])
    grades = np.array(["high", "high", "medium", "low", None], dtype=object)
    table = sensitivity(
        {
            "slumps": lambda rows: float(len(rows)),
            "median area": lambda rows: float(np.median(area[rows])),
            "sum": lambda rows: float(area[rows].sum()),
            "none": lambda _: None,
        },
        grades,
    ).set_index("statement")
    assert table.loc["slumps", ["all", "without_low", "high_only"]].tolist() == [5, 4, 3]
    assert table.loc["median area", ["all", "without_low", "high_only"]].tolist() == [3, 2.5, 2]
    assert table.loc["sum", "change_percent"] == pytest.approx(-65)
    assert table.loc["none"].isna().all()
    assert table.attrs == {} or table.attrs["slumps"] == {"all": 5, "without_low": 4, "high_only": 3}


def test_sensitivity_where_all_are_sure():
    table = sensitivity({"slumps": lambda rows: float(len(rows))}, pd.Series(["high"] * 4))
    assert table["change_percent"].tolist() == [0] and table.attrs["slumps"]["high_only"] == 4
