"""Reading weights beside the imports of the libraries that know the models."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from edit_benchmark.checkpoints import loading, reading, selection
from edit_benchmark.checkpoints.resolve import choice_of
from edit_benchmark.checkpoints.safetensors import read_header, tensors
from edit_benchmark.checkpoints.selection import Choice
from edit_benchmark.config.base import ModelSettings

log = logging.getLogger(__name__)

# While modules are imported, a reading thread would wait 5 ms for each turn of the interpreter,
# which is longer than its reading: 5 GB/s where 20 are possible.
_SWITCH_SECONDS = 0.0002


class Prefetch:
    """Weights of models, read in a thread while libraries are being imported.

    Parameters
    ----------
    folders
        Of the models, each with a ``config.json``.
    settings
        A model or judge of the configuration: ``dtype`` of the weights (from_pretrained loads
        weights in another one); ``allow_pickle``, whether it may load what is not safetensors;
        ``variant`` of the weights.
    device
        ``cuda`` or ``cpu``.
    places
        Other devices of single folders: ``cuda:1``.
    """

    def __init__(
        self,
        folders: Iterable[Path],
        settings: ModelSettings,
        device: str,
        places: Mapping[Path, str] = MappingProxyType({}),
    ) -> None:
        self._dtype: torch.dtype = getattr(torch, settings.dtype)
        self._choice = choice_of(settings)
        self._device, self._places = device, places
        files = {folder: _weight_files(folder, self._choice, self._dtype) for folder in folders}
        self._weights: dict[Path, loading.Weights] = {
            folder: Future() for folder, paths in files.items() if paths
        }
        work = [
            (files[folder], self._place_of(folder), weights)
            for folder, weights in self._weights.items()
        ]
        self._reader = threading.Thread(target=self._read, args=(work,), daemon=True)
        self._reader.start()

    def load(self, folder: Path, kind: type, **arguments: Any) -> Any:
        """The model in ``folder``, on the device, with all of its weights.

        Parameters
        ----------
        folder
            One of those that are read, or any other.
        kind
            The model's class, of diffusers or of transformers, or one of the latter's Auto classes.
        **arguments
            Further arguments of its ``from_pretrained``, where that has to load it.

        Raises
        ------
        UserError
            If weights are not those of the model that its ``config.json`` describes. For a
            quantised model it is only logged.
        """
        usual = {
            "dtype": self._dtype,
            "use_safetensors": None if self._choice.allow_pickle else True,
            "device_map": loading.device_map(self._place_of(folder)),
            "variant": self.variant_of(folder),
        }
        model, report = self._place(folder, kind) or loading.from_pretrained(
            folder, kind, **usual | arguments
        )
        loading.refuse_misfit(folder, report)
        return model.eval()

    def variant_of(self, folder: Path) -> str | None:
        """The configured variant of the weights, if the model in ``folder`` has them in it."""
        if self._choice.variant is None or not folder.is_dir():
            return None
        names = [path.name for path in folder.iterdir()]
        return self._choice.variant if self._choice.has_variant(names) else None

    def _place_of(self, folder: Path) -> str:
        return self._places.get(folder, self._device)

    def _place(self, folder: Path, kind: type) -> loading.Loaded | None:
        """The model with the weights read before; None if from_pretrained has to read them."""
        # Not kept beside the model: it would be on the device twice once layers are replaced.
        weights = self._weights.pop(folder, None)
        if weights is None:
            return None
        device = self._place_of(folder)
        loaded = loading.place_weights(folder, kind, weights, self._dtype, device)
        if loaded is None:
            # What was read goes before it is read again: the device may not hold it twice.
            self._reader.join()
        return loaded

    def _read(self, work: Sequence[tuple[Sequence[Path], str, loading.Weights]]) -> None:
        usual = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        start = time.monotonic()
        try:
            for files, device, weights in work:
                try:
                    weights.set_result(reading.read(files, device))
                except BaseException as error:
                    weights.set_exception(error)
        finally:
            sys.setswitchinterval(usual)
        size = sum(path.stat().st_size for files, *_ in work for path in files) / 2**30
        log.info("%.1f GiB of weights read in %.1f s", size, time.monotonic() - start)


def _weight_files(folder: Path, choice: Choice, dtype: torch.dtype) -> list[Path]:
    """The weight files of a model; none if it is not plain, not safetensors, or in another dtype.

    Weights in another dtype would be on the device twice until they are converted.
    """
    if not loading.is_plain(folder):
        return []
    files = selection.weights_of(folder, choice)
    are_safe = all(path.suffix == ".safetensors" for path in files)
    return files if are_safe and all(_is_in(dtype, path) for path in files) else []


def _is_in(dtype: torch.dtype, path: Path) -> bool:
    """Whether all floating-point tensors of a file have ``dtype``, and none an unknown type."""
    with path.open("rb") as file:
        header, _ = read_header(file.fileno())
    dtypes = {reading.DTYPES.get(entry["dtype"]) for entry in tensors(header).values()}
    return all(
        stored is not None and (stored == dtype or not stored.is_floating_point)
        for stored in dtypes
    )
