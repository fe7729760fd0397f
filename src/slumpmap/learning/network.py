"""The only door to segmentation_models_pytorch, timm and torchvision: networks by name, with or without weights.

torchvision's compiled operators do not load beside a CPU-only torch, and the import of torchvision, hence of
timm and smp, then stops at the first operator it wants to describe. The networks need none of the operators, so
that it is enough to declare them.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch
import torch.utils.deterministic

from slumpmap.errors import InputError
from slumpmap.learning.tensors import read_safetensors, read_tensors
from slumpmap.settings.learning import NetworkSettings

_OWN_WEIGHTS = "give the weights of this very encoder"
_WEIGHT_FILES = {".safetensors", ".pt", ".pth", ".bin", ".ckpt"}
# Kept alive: the declarations end with the library object.
_declared: list[torch.library.Library] = []


def _smp() -> ModuleType:
    """segmentation_models_pytorch, imported on first use."""
    if not _declared and not hasattr(torch.ops.torchvision, "nms"):
        _load_or_declare_operators()
    import segmentation_models_pytorch

    return cast(ModuleType, segmentation_models_pytorch)


def _load_or_declare_operators() -> None:
    """Loads torchvision's operators, or declares those that its import describes; calling them still raises."""
    found = importlib.util.find_spec("torchvision")
    folder = Path(found.origin).parent if found and found.origin else Path()
    try:
        for library in folder.glob("_C*.so"):
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
    except OSError:
        pass
    if not hasattr(torch.ops.torchvision, "nms"):
        schemas = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            schemas.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        _declared.append(schemas)


def build_network(settings: NetworkSettings, pretrained: bool, bands: int = 3) -> torch.nn.Module:
    """Builds the network that the settings name, on the CPU, with torch's random state where weights are random.

    Args:
        settings: architecture, encoder, output stride, atrous rates, weights.
        pretrained: whether to load `settings.encoder_weights` into the encoder; False leaves it random.
        bands: bands of the images. The first convolution of pretrained weights for three bands is adapted: the
            kernels are repeated over the bands and scaled by 3 / bands, so that its answers keep their size.

    Returns:
        A network that takes (n, bands, height, width) float32 and gives (n, 1, height, width) logits.

    Raises:
        InputError: no such architecture or encoder, an output stride that the encoder does not have, or
            weights that cannot be had.
    """
    smp = _smp()
    architecture = getattr(smp, settings.architecture, None)
    if not isinstance(architecture, type):
        known = ", ".join(name for name in smp.__all__ if isinstance(getattr(smp, name), type))
        raise InputError("model.architecture", f"no architecture {settings.architecture!r}", f"take one of {known}")
    options: dict[str, Any] = {"in_channels": bands, "classes": 1, "encoder_weights": None}
    known_options = inspect.signature(architecture).parameters
    if "encoder_output_stride" in known_options:
        options["encoder_output_stride"] = settings.output_stride
    if "decoder_atrous_rates" in known_options:
        options["decoder_atrous_rates"] = settings.atrous_rates
    weights = settings.encoder_weights if pretrained else None
    if weights is None:
        return _construct(architecture, settings, options)
    if Path(weights).suffix in _WEIGHT_FILES:
        return _with_file(architecture, settings, options, Path(weights))
    try:
        # smp takes the weights of timm's encoders from the encoder's own name and wants a mere yes.
        wanted = True if settings.encoder.startswith("tu-") else weights
        return _construct(architecture, settings, options | {"encoder_weights": wanted})
    except OSError as error:
        raise InputError(
            "model.encoder_weights",
            f"the weights {weights!r} of {settings.encoder} cannot be downloaded ({str(error).splitlines()[0]})",
            "connect to the network, give a local .safetensors or .pth file, or null to train from scratch",
        ) from error


def _construct(architecture: Any, settings: NetworkSettings, options: dict[str, Any]) -> torch.nn.Module:
    """Calls the architecture; what it does not know becomes an InputError."""
    try:
        return cast(torch.nn.Module, architecture(settings.encoder, **options))
    except OSError:
        raise
    except (KeyError, RuntimeError, ValueError, NotImplementedError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            "model.encoder",
            f"{settings.architecture} cannot be built with the encoder {settings.encoder!r} ({reason})",
            "take an encoder of segmentation-models-pytorch, or `tu-` and a timm name, and an output stride it has",
        ) from error


def _with_file(architecture: Any, settings: NetworkSettings, options: dict[str, Any], path: Path) -> torch.nn.Module:
    """A network whose encoder comes from a local file, every tensor of it."""
    stored = _read_weights(path)
    if settings.encoder.startswith("tu-"):
        # timm renames and adapts the tensors on the way, which a plain load_state_dict does not.
        overlay = {"encoder_weights": True, "pretrained_cfg_overlay": {"state_dict": stored}}
        network = _construct(architecture, settings, options | overlay)
    else:
        network = _construct(architecture, settings, options)
        try:
            network.encoder.load_state_dict(stored)  # type: ignore[union-attr]
        except (RuntimeError, KeyError) as error:
            reason = " ".join(str(error).split())[:160]
            raise InputError(path, f"no weights of {settings.encoder} ({reason})", _OWN_WEIGHTS) from None
    _check_loaded(network, stored, settings, options["in_channels"], path)
    return network


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a weight file by name; nothing in the file is executed."""
    if path.suffix == ".safetensors":
        return read_safetensors(path, "encoder weights")
    stored = read_tensors(path, "encoder weights")
    for name in ("state_dict", "model"):
        if isinstance(stored, dict) and isinstance(stored.get(name), dict):
            stored = stored[name]
    if not isinstance(stored, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in stored.values()):
        raise InputError(path, "holds no tensors by name", _OWN_WEIGHTS)
    return stored


def _check_loaded(
    network: torch.nn.Module, stored: dict[str, torch.Tensor], settings: NetworkSettings, bands: int, path: Path
) -> None:
    """Refuses a file that left a tensor of the encoder as it was.

    timm accepts a wrong file with a mere warning, and names differ between file and encoder: values are compared.
    """
    known = {_key(tensor) for tensor in stored.values()}
    tensors = [t for t in network.encoder.state_dict().values() if t.is_floating_point()]  # type: ignore[union-attr]
    if bands != 3:
        # The first convolution, which was adapted to the bands, comes first in every encoder.
        tensors = tensors[1:]
    missing = sum(_key(tensor) not in known for tensor in tensors)
    if missing:
        fault = f"{missing} of {len(tensors)} tensors of {settings.encoder} are not in the file"
        raise InputError(path, fault, _OWN_WEIGHTS)


def _key(tensor: torch.Tensor) -> tuple[tuple[int, ...], bytes]:
    return tuple(tensor.shape), tensor.detach().float().contiguous().numpy().tobytes()


def pretrained_statistics(settings: NetworkSettings) -> tuple[list[float], list[float]]:
    """Mean and standard deviation (R, G, B; 0..255) of the images on which the encoder was pretrained."""
    smp = _smp()
    if settings.encoder.startswith("tu-"):
        import timm

        known = timm.get_pretrained_cfg(settings.encoder.removeprefix("tu-"), allow_unregistered=False)
        assert known is not None  # the encoder was built before
        mean, std, high = known.mean, known.std, 1.0
    else:
        values = smp.encoders.get_preprocessing_params(settings.encoder, settings.encoder_weights)
        mean, std, high = values["mean"], values["std"], float(values["input_range"][1])
    return [255.0 / high * float(v) for v in mean], [255.0 / high * float(v) for v in std]


def check_window(network: torch.nn.Module, window_px: int, source: str) -> None:
    """Refuses a window that the network's stride does not divide; `source` is named in the message."""
    stride = int(network.encoder.output_stride)  # type: ignore[union-attr, arg-type]
    if window_px % stride:
        raise InputError(
            source, f"windows of {window_px} px do not suit the network", f"take a window_px that {stride} divides"
        )


def choose_device(device: str) -> torch.device:
    """The device of that name; `auto` is CUDA where there is a GPU.

    A GPU that cannot be used for a reason that torch tells, such as a driver too old, gets a line on standard error.

    Raises:
        InputError: `cuda` on a machine without a usable GPU.
    """
    if device == "cpu":
        return torch.device("cpu")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        usable = torch.cuda.is_available()
    reason = " ".join(str(warning.message) for warning in said)
    if usable:
        return torch.device("cuda")
    if device == "cuda":
        fault = f"cuda was asked for, but no GPU can be used{f' ({reason})' if reason else ''}"
        raise InputError("run.device", fault, "run `slumpmap doctor`, which says why, or take auto or cpu")
    if reason:
        print(f"The GPU is not used ({reason}). `slumpmap doctor` says what to do.", file=sys.stderr, flush=True)
    return torch.device("cpu")


@contextmanager
def repeatable(seed: int, threads: int, deterministic: bool = True) -> Iterator[None]:
    """Fixes torch's seed and threads inside the block, and its algorithms unless `deterministic` is False."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    # cuBLAS is repeatable only with a workspace of a fixed size, which it reads when it starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = not deterministic
    # Torch would also fill new memory, to betray code that reads it unwritten: a third of a small network's time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # Some CUDA kernels have no repeatable form: there a warning is all that can be had.
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
