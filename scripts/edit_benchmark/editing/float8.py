"""Linear layers in 8 bits."""

from __future__ import annotations

import torch
from torch import nn

#: Largest number of float8 with 4 bits of exponent.
FLOAT8_MAX = 448.0
# A scale of zero would divide by zero in a row of zeros.
_LEAST_SCALE = 1e-12


class Float8Linear(nn.Module):
    """A linear layer whose weights and inputs are rounded to float8 (e4m3).

    Each row of the weight (F, D) and each token of the input (..., D) has a scale of its own, so
    that its largest number becomes 448; sums are float32.
    """

    values: torch.Tensor
    scales: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        values, scales = to_float8(layer.weight.detach())
        self.register_buffer("values", values)
        self.register_buffer("scales", scales.t().contiguous())
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())
        self.in_features, self.out_features = layer.in_features, layer.out_features

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(..., D) to (..., F), in the input's type."""
        rows = tokens.reshape(-1, self.in_features)
        values, scales = to_float8(rows)
        if rows.is_cuda:
            # With a scale for each row, products of float8 come in bfloat16 alone.
            bias = None if self.bias is None else self.bias.bfloat16()
            output = torch._scaled_mm(
                values, self.values.t(), scales, self.scales, bias=bias,
                out_dtype=torch.bfloat16, use_fast_accum=True,
            ).to(tokens.dtype)  # fmt: skip
        else:  # the same but for bfloat16's rounding, where there are no products of float8
            wide = (values.float() @ self.values.float().t()) * scales * self.scales
            wide = wide if self.bias is None else wide + self.bias.float()
            output = wide.to(tokens.dtype)
        return output.reshape(*tokens.shape[:-1], self.out_features)


def to_float8(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, D) as float8 values (N, D) and the float32 scales (N, 1) that give them back."""
    if rows.is_cuda:
        # Imported late: it needs Triton, which not every machine has.
        from edit_benchmark.editing.float8_kernel import rows_to_float8

        return rows_to_float8(rows.contiguous(), FLOAT8_MAX, _LEAST_SCALE)
    wide = rows.float()
    scales = (wide.abs().amax(dim=1, keepdim=True) / FLOAT8_MAX).clamp(min=_LEAST_SCALE)
    return (wide / scales).to(torch.float8_e4m3fn), scales
