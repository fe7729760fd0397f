"""The model bundle: weights.safetensors and model.json, checked against what they are to be used on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import Field, ValidationError, model_validator
from safetensors.torch import save

from slumpmap.errors import InputError
from slumpmap.files import atomic, read_json, write_json
from slumpmap.learning.network import build_network
from slumpmap.learning.tensors import read_safetensors
from slumpmap.settings.base import Settings
from slumpmap.settings.learning import TrainingSettings
from slumpmap.sidecar.digest import sha256

WEIGHTS, CARD = "weights.safetensors", "model.json"
BANDS = ("red", "green", "blue")
CLASSES = ("background", "slump")
_REMEDY = "train again, or give the bundle that belongs to this campaign"


class ModelCard(Settings):
    """What model.json says of a network.

    Attributes:
        settings: the model section of the configuration: architecture, encoder, output stride, training.
        bands: meaning of the input bands.
        classes: meaning of the labels; the network's one logit is that of the last.
        mean: value of each 8-bit band that becomes 0 at the input.
        std: 8-bit values per unit of the input, per band.
        temperature: number by which logits are divided before they become probabilities.
        scaling: content of the campaign's scaling.json, by which scenes became 8 bit.
        resolution: pixel size of the training images, metres.
        window_px: width of the training windows, pixels.
        training_set: SHA-256 of the training set.
        windows: number of windows that trained, that were held out, and that hold slumps.
        start: SHA-256 of the weights from which training started; None: it started anew.
        steps: training steps that were taken.
        kept_step: the step whose weights were kept; it is the last, unless an earlier one was better.
        seed: seed of training.
        metrics: figures of training and validation by name.
        versions: versions of the libraries.
        weights: SHA-256 of weights.safetensors; `save_bundle` fills it in.
    """

    settings: TrainingSettings
    bands: tuple[str, ...] = BANDS
    classes: tuple[str, ...] = CLASSES
    mean: tuple[float, ...]
    std: tuple[float, ...]
    temperature: float = Field(1.0, gt=0)
    scaling: dict[str, Any]
    resolution: float
    window_px: int
    training_set: str
    windows: dict[str, int] = Field(default_factory=dict)
    start: str | None = None
    steps: int
    kept_step: int | None = None
    seed: int
    metrics: dict[str, float | None]
    versions: dict[str, str]
    weights: str = ""

    @model_validator(mode="after")
    def _one_number_a_band(self) -> Self:
        if not len(self.mean) == len(self.std) == len(self.bands):
            raise ValueError("mean and std must hold one number a band")
        return self


def read_scaling(path: Path) -> dict[str, Any]:
    """Content of a scaling.json; InputError if it is not a mapping."""
    values = read_json(path)
    if not isinstance(values, dict):
        raise InputError(path, "not a scaling", "remove it and run the workflow again")
    return values


def save_bundle(folder: Path, network: torch.nn.Module, meta: ModelCard) -> None:
    """Writes a bundle, weights first: a model.json that exists vouches for the weights beside it."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    with atomic(folder / WEIGHTS) as temporary:
        # Not `save_file`, whose files only their owner may read.
        temporary.write_bytes(save(tensors))
    card = meta.model_copy(update={"weights": sha256(folder / WEIGHTS)})
    write_json(folder / CARD, json.loads(card.model_dump_json()))


def read_card(folder: Path) -> ModelCard:
    """The card of a bundle.

    Raises:
        InputError: no such file, or no model card.
    """
    try:
        return ModelCard.model_validate(read_json(folder / CARD))
    except ValidationError as error:
        first = error.errors()[0]
        fault = f"not a model card ({'.'.join(map(str, first['loc']))}: {first['msg']})"
        raise InputError(folder / CARD, fault, _REMEDY) from None


def describe(card: ModelCard) -> str:
    """What a bundle is, on what it was trained and how good it was, for people: one line a fact."""
    settings = card.settings
    began = f"the weights {card.start[:12]}" if card.start else settings.encoder_weights or "scratch"
    kept = "" if card.kept_step in (None, card.steps) else f", those of step {card.kept_step} kept"
    facts = {
        "network": f"{settings.architecture} with {settings.encoder}, output stride {settings.output_stride}",
        "input": f"{', '.join(card.bands)}; windows of {card.window_px} px at {card.resolution:g} m per pixel",
        "8-bit scaling": ", ".join(f"{name} {value}" for name, value in card.scaling.items()),
        "answer": f"probability of {card.classes[-1]}, temperature {card.temperature:.3g}",
        "training set": f"{card.training_set[:12]} ({_listed(card.windows)})",
        "training": f"{card.steps} steps of {settings.batch} windows from {began}{kept}; seed {card.seed}",
        "recipe": f"{settings.optimizer} at {settings.learning_rate:g}, {settings.schedule}; {settings.loss}; "
        f"{settings.sampling} sampling; {', '.join(settings.augment) or 'no'} variation; ema {settings.ema:g}",
        "figures": _listed({name: "not known" if v is None else f"{v:.3f}" for name, v in card.metrics.items()}),
        "versions": _listed(card.versions),
        "weights": card.weights,
    }
    return "\n".join(f"{name + ':':<15}{text}" for name, text in facts.items())


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())


def load_bundle(
    folder: Path,
    bands: Sequence[str] = BANDS,
    window_px: int | None = None,
    resolution: float | None = None,
    scaling: Path | None = None,
) -> tuple[torch.nn.Module, ModelCard]:
    """Loads a bundle that suits the images it is to be used on.

    Args:
        folder: the bundle.
        bands: names of the images' bands.
        window_px: window of the inference, pixels; None: not compared.
        resolution: pixel size of the images, metres; None: not compared.
        scaling: scaling.json of the images; None: not compared.

    Returns:
        The network on the CPU in evaluation mode, and its card.

    Raises:
        InputError: a file is missing, truncated or corrupt, weights and card do not belong together, or the
            bundle does not match the images.
    """
    card_path, weights_path = folder / CARD, folder / WEIGHTS
    meta = read_card(folder)
    _check_match(card_path, meta, bands, window_px, resolution, scaling)
    if not weights_path.is_file():
        raise InputError(weights_path, "the weights are missing", _REMEDY)
    if sha256(weights_path) != meta.weights:
        raise InputError(weights_path, "the weights are damaged or belong to another model.json", _REMEDY)
    network = build_network(meta.settings, pretrained=False, bands=len(meta.bands))
    tensors = read_safetensors(weights_path, "the weights")
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(weights_path, f"the weights do not suit the network ({reason})", _REMEDY) from error
    return network.eval(), meta


def _check_match(
    path: Path,
    meta: ModelCard,
    bands: Sequence[str],
    window_px: int | None,
    resolution: float | None,
    scaling: Path | None,
) -> None:
    """Refuses a card that differs from what is asked of it."""
    if meta.bands != tuple(bands):
        fault = f"the model takes the bands {', '.join(meta.bands)}, the images have {', '.join(bands)}"
        raise InputError(path, fault, _REMEDY)
    if window_px is not None and window_px != meta.window_px:
        fault = f"the model was trained on windows of {meta.window_px} px, not {window_px}"
        raise InputError(path, fault, f"set inference.window_px to {meta.window_px}, or train again")
    if resolution is not None and abs(resolution - meta.resolution) > 1e-6 * resolution:
        fault = f"the model was trained at {meta.resolution:g} m per pixel, the images have {resolution:g}"
        raise InputError(path, fault, _REMEDY)
    if scaling is not None and read_scaling(scaling) != meta.scaling:
        raise InputError(path, f"the model was trained on another 8-bit scaling than {scaling}", _REMEDY)
