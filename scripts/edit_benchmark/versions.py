"""Versions of the libraries that matter, read without importing them."""

from __future__ import annotations

import importlib.metadata
import platform

RECORDED = (
    "snakemake", "torch", "torchvision", "diffusers", "transformers", "accelerate", "safetensors",
    "numpy", "pandas", "scipy", "pillow",
)  # fmt: skip


def installed(*names: str) -> dict[str, str]:
    """Installed version of each distribution; those that are not installed are left out."""
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def recorded() -> dict[str, str]:
    """Python and the libraries of :data:`RECORDED`, for the record of a run."""
    return {"python": platform.python_version(), **installed(*RECORDED)}
