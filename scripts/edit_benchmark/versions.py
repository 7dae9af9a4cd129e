"""What of the surroundings makes equal settings another result: libraries and environment."""

from __future__ import annotations

import importlib.metadata
import os
import platform

RECORDED = (
    "snakemake", "torch", "torchvision", "diffusers", "transformers", "tokenizers", "peft",
    "accelerate", "safetensors", "numpy", "pandas", "scipy", "pillow", "torchmetrics",
)  # fmt: skip
#: Variables with which a user makes the same libraries compute otherwise: TF32 in place of float32,
#: deterministic kernels, other instruction sets.
OVERRIDES = (
    "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "TORCH_BLAS_PREFER_CUBLASLT",
    "DISABLE_ADDMM_CUDA_LT", "TORCH_CUDNN_V8_API_DISABLED", "CUBLAS_WORKSPACE_CONFIG",
    "ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA",
    "PYTORCH_JIT", "TORCHDYNAMO_DISABLE",
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


def overrides() -> dict[str, str]:
    """Those of :data:`OVERRIDES` that are set."""
    return {name: os.environ[name] for name in OVERRIDES if os.environ.get(name)}


def recorded() -> dict[str, str]:
    """Python and the libraries of :data:`RECORDED`, for the record of a run."""
    return {"python": platform.python_version(), **installed(*RECORDED)}
