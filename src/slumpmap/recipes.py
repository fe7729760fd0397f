"""Recipes: sets of values that replace the defaults of a configuration where it says nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

Recipe = Literal["default", "xia2022"]

# Xia et al. (2022, doi 10.5194/essd-14-3875-2022) with the settings of Huang et al. (2020,
# doi 10.1016/j.rse.2019.111534), whose method they ran: patches of 480 px around cores of 160 px, every label used for
# training, the positive patches joined by six varied copies of each, and any vote of overlapping patches counts.
_XIA2022: Mapping[str, Mapping[str, Any]] = {
    "windows": {
        "window_px": 480,
        "overlap_px": 320,
        "buffer_m": 300.0,
        "min_valid": 0.6,
        "validation_share": 0.0,
    },
    "model": {
        "architecture": "DeepLabV3Plus",
        "encoder": "tu-xception65",
        "encoder_weights": "imagenet",
        "output_stride": 16,
        "atrous_rates": (6, 12, 18),
        "members": 1,
        "batch": 8,
        "iterations": 30000,
        "iterations_next": 30000,
        "start_from": "pretrained",
        "optimizer": "sgd",
        "learning_rate": 0.007,
        "schedule": "poly",
        "poly_power": 0.9,
        "warm_up": 0.0,
        "weight_decay": 4e-5,
        "loss": "cross_entropy",
        "sampling": "uniform",
        "augment": ("blur", "crop", "scale"),
        "augment_positives_only": True,
        "freeze_batch_norm": True,
        "ema": 0.0,
        "precision": "float32",
        "evaluate_every": 0,
        "calibrate": False,
    },
    "inference": {"window_px": 480, "stride_px": 160, "fusion": "or", "test_time": "none"},
    "candidates": {"threshold": 0.5},
}

RECIPES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {"default": {}, "xia2022": _XIA2022}
assert set(RECIPES) == set(get_args(Recipe))


def with_recipe(values: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration's mapping, completed by the values of the recipe that it names; its own values win."""
    completed = dict(values)
    for section, keys in RECIPES.get(str(values.get("recipe")), {}).items():
        given = values.get(section)
        if given is None or isinstance(given, Mapping):
            completed[section] = {**keys, **(given or {})}
    return completed
