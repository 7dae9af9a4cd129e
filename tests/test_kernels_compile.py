"""The Triton kernels compile for an H100; no GPU is needed for that.

A block that PyTorch compiles hands a kernel its numbers in 64 bits (torch 2.11), which is another
kernel than the one that a plain call gets.
"""

from __future__ import annotations

from typing import Any

import pytest

triton = pytest.importorskip("triton", reason="Triton is there on Linux alone")
from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from edit_benchmark.editing import float8_kernel  # noqa: E402
from edit_benchmark.editing.acceleration import kernels  # noqa: E402

_POINTERS = {
    "tokens": "*T", "branch": "*T", "gate_modulation": "*T", "norm_modulation": "*T",
    "image_rows": "*i64", "updated": "*T", "normed": "*T", "queries_keys": "*T", "weights": "*T",
    "cosines": "*fp32", "sines": "*fp32", "gates": "*T", "values": "*T", "attended": "*T",
    "log_sum_exp": "*fp32", "queries": "*T", "last_key": "*T", "rows": "*T", "scales": "*fp32",
}  # fmt: skip
_COUNTS = dict.fromkeys(["text_tokens", "query_count", "padding"], "i32")
_NORM = {
    "PARTS": 6, "GATE_PART": 2, "SHIFT_PART": 0, "SCALE_PART": 1, "WIDTH": 192, "BLOCK": 256,
    "TEXT_ROW": 1, "WITH_RESIDUAL": True, "WITH_NORM": True,
}  # fmt: skip
_ROPE = {"HEADS": 6, "GROUP": 2, "HALF": 16, "STRIDE": 16}
_KERNELS = [
    (kernels.residual_norm_kernel, _NORM, {}),
    (kernels.norm_rope_kernel, _ROPE, {"tokens": "i32"}),
    (kernels.gated_unit_kernel, {"WIDTH": 768, "BLOCK": 1024}, {}),
    (kernels.remove_padding_kernel, {"HEADS": 6, "SIZE": 32, "BLOCK": 8}, {}),
    (
        float8_kernel.float8_kernel,
        {"LARGEST": 448.0, "LEAST": 1e-12, "WIDTH": 192, "BLOCK": 256},
        {"values": "*fp8e4nv"},
    ),
]


@pytest.mark.parametrize("number", ["fp32", "fp64"])
@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
@pytest.mark.parametrize(
    ("kernel", "constants", "others"), _KERNELS, ids=[one[0].__name__ for one in _KERNELS]
)
def test_a_kernel_compiles_whether_its_numbers_have_32_bits_or_64(
    kernel: Any, constants: dict[str, Any], others: dict[str, str], dtype: str, number: str
) -> None:
    types = _POINTERS | _COUNTS | others
    signature = {
        name: "constexpr" if name in constants else types.get(name, number).replace("T", dtype)
        for name in kernel.arg_names
    }
    source = ASTSource(kernel, signature, constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32))
    assert ".target sm_90" in compiled.asm["ptx"]
