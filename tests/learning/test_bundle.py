from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from slumpmap.errors import InputError
from slumpmap.learning.bundle import BANDS, ModelCard, load_bundle, save_bundle
from slumpmap.learning.network import build_network, check_window, pretrained_statistics
from slumpmap.settings.learning import TrainingSettings

SCALING = {"low": 0, "high": 3000}


def make(folder: Path, small: TrainingSettings) -> torch.nn.Module:
    torch.manual_seed(3)
    network = build_network(small, pretrained=False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    card = ModelCard(
        settings=small,
        mean=(90.0, 100.0, 80.0),
        std=(20.0, 21.0, 22.0),
        scaling=SCALING,
        resolution=3.0,
        window_px=64,
        training_set="abc",
        steps=1,
        seed=1,
        metrics={"validation_iou": None},
        versions={},
    )
    save_bundle(folder, network, card)
    return network.eval()


def test_round_trip(small: TrainingSettings, tmp_path: Path) -> None:
    network = make(tmp_path, small)
    scaling = tmp_path / "scaling.json"
    scaling.write_text(json.dumps(SCALING, indent=3))
    loaded, card = load_bundle(tmp_path, BANDS, 64, 3.0, scaling)
    assert all(torch.equal(a, loaded.state_dict()[name]) for name, a in network.state_dict().items())
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(network(images), loaded(images), atol=1e-5)
    assert not loaded.training
    assert card.bands == ("red", "green", "blue")
    assert card.settings == small


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def whole(folder: Path) -> None:
    """A bundle without fault."""
    assert folder.is_dir()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def rename_tensor(folder: Path) -> None:
    """A whole file, vouched for, that belongs to another network."""
    tensors = load_file(folder / "weights.safetensors")
    tensors["other"] = tensors.pop(next(iter(tensors)))
    save_file(tensors, folder / "weights.safetensors")
    edit(folder, weights=hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest())


@pytest.mark.parametrize(
    ("damage", "asked", "message"),
    [
        (whole, {"bands": ("red", "green", "blue", "nir")}, "the images have red, green, blue, nir"),
        (lambda f: edit(f, bands=["blue", "green", "red"]), {}, "takes the bands blue"),
        (whole, {"window_px": 128}, "windows of 64 px, not 128"),
        (whole, {"resolution": 10.0}, "trained at 3 m per pixel, the images have 10"),
        (whole, {"scaling": {"low": 0, "high": 4000}}, "another 8-bit scaling"),
        (lambda f: (f / "weights.safetensors").unlink(), {}, "weights are missing"),
        (lambda f: truncate(f / "weights.safetensors"), {}, "weights are damaged"),
        (rename_tensor, {}, "do not suit the network"),
        (lambda f: (f / "model.json").unlink(), {}, "not readable as JSON"),
        (lambda f: truncate(f / "model.json"), {}, "not readable as JSON"),
        (lambda f: edit(f, mean=[1, 2]), {}, "not a model card .*mean"),
        (lambda f: edit(f, surprise=1), {}, "not a model card .surprise"),
    ],
)
def test_refusals(
    small: TrainingSettings, tmp_path: Path, damage: Callable[[Path], None], asked: dict[str, Any], message: str
) -> None:
    make(tmp_path, small)
    damage(tmp_path)
    if "scaling" in asked:
        path = tmp_path / "scaling.json"
        path.write_text(json.dumps(asked["scaling"]))
        asked = {"scaling": path}
    with pytest.raises(InputError, match=message):
        load_bundle(tmp_path, **asked)


def test_network_refusals(small: TrainingSettings) -> None:
    for update, message in (
        ({"architecture": "Nonsense"}, "no architecture 'Nonsense'"),
        ({"encoder": "resnet1"}, "cannot be built with the encoder 'resnet1'"),
        ({"encoder": "tu-nonsense"}, "cannot be built with the encoder 'tu-nonsense'"),
    ):
        with pytest.raises(InputError, match=message):
            build_network(small.model_copy(update=update), pretrained=False)
    with pytest.raises(InputError, match="that 16 divides"):
        check_window(build_network(small, pretrained=False), 72, "windows.window_px")


def test_architecture_without_output_stride(small: TrainingSettings) -> None:
    network = build_network(small.model_copy(update={"architecture": "Unet"}), pretrained=False).eval()
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 1, 64, 64)


def test_weights_from_a_file(small: TrainingSettings, tmp_path: Path) -> None:
    # Through the door, as everywhere: it makes timm importable.
    build_network(small, pretrained=False)
    import timm

    torch.manual_seed(8)
    stored = timm.create_model("mobilenetv3_small_050", pretrained=False).state_dict()
    path = tmp_path / "weights.safetensors"
    save_file(stored, path)
    settings = small.model_copy(update={"encoder_weights": str(path)})
    network = build_network(settings, pretrained=True)
    assert torch.equal(network.encoder.state_dict()["model.conv_stem.weight"], stored["conv_stem.weight"])
    assert not torch.equal(
        build_network(settings, pretrained=False).encoder.state_dict()["model.conv_stem.weight"],
        stored["conv_stem.weight"],
    )
    for content, message in (
        ({name: tensor for name, tensor in stored.items() if not name.startswith("blocks.3")}, "are not in the file"),
        ({"nothing": torch.zeros(3)}, "are not in the file|cannot be built"),
    ):
        save_file(content, path)
        with pytest.raises(InputError, match=message):
            build_network(settings, pretrained=True)
    path.write_bytes(b"short")
    with pytest.raises(InputError, match="cannot be read"):
        build_network(settings, pretrained=True)


def test_weights_from_a_pickle(small: TrainingSettings, tmp_path: Path) -> None:
    """Tensors only: a .pth that would run something when it is opened is refused."""
    network = build_network(small.model_copy(update={"encoder": "resnet18"}), pretrained=False)
    own = network.encoder.state_dict()  # type: ignore[union-attr]
    stored = {name: torch.randn_like(t) if t.is_floating_point() else t for name, t in own.items()}
    path = tmp_path / "weights.pth"
    settings = small.model_copy(update={"encoder": "resnet18", "encoder_weights": str(path)})
    torch.save({"state_dict": stored}, path)
    loaded = build_network(settings, pretrained=True)
    assert torch.equal(loaded.encoder.state_dict()["conv1.weight"], stored["conv1.weight"])  # type: ignore[union-attr]
    torch.save({"layer": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="no weights of resnet18"):
        build_network(settings, pretrained=True)
    torch.save(print, path)
    with pytest.raises(InputError, match="cannot be read"):
        build_network(settings, pretrained=True)


def test_first_convolution_is_adapted_to_more_bands(small: TrainingSettings, tmp_path: Path) -> None:
    """timm repeats the kernels over the bands and scales them by 3 / bands."""
    build_network(small, pretrained=False)
    import timm

    torch.manual_seed(8)
    stored = timm.create_model("mobilenetv3_small_050", pretrained=False).state_dict()
    path = tmp_path / "weights.safetensors"
    save_file(stored, path)
    network = build_network(small.model_copy(update={"encoder_weights": str(path)}), pretrained=True, bands=5)
    kernels, own = network.encoder.state_dict()["model.conv_stem.weight"], stored["conv_stem.weight"]  # type: ignore[union-attr]
    assert torch.allclose(kernels, own[:, [0, 1, 2, 0, 1]] * 3 / 5)


def test_atrous_rates_reach_the_decoder(small: TrainingSettings) -> None:
    network = build_network(small.model_copy(update={"atrous_rates": (2, 3, 4)}), pretrained=False)
    rates = {m.dilation[0] for m in network.decoder.modules() if isinstance(m, torch.nn.Conv2d)}  # type: ignore[union-attr]
    assert rates == {1, 2, 3, 4}


def test_statistics_of_pretrained_encoders(small: TrainingSettings) -> None:
    mean, std = pretrained_statistics(small.model_copy(update={"encoder": "tu-xception65.tf_in1k"}))
    assert mean == std == [127.5, 127.5, 127.5]
    mean, _ = pretrained_statistics(small.model_copy(update={"encoder": "tu-resnet18"}))
    assert mean == pytest.approx([123.675, 116.28, 103.53])


def test_weights_may_be_read_by_whom_the_umask_lets(trained: Path) -> None:
    assert (trained / "weights.safetensors").stat().st_mode == (trained / "model.json").stat().st_mode
