"""Faster arithmetic for Qwen-Image-Edit pipelines, without approximation.

Bit-exact accelerations leave every output bit as the reference computes it. Numeric ones are the
same mathematics with another rounding: fused kernels keep more digits between two steps than the
reference, which rounds after each. Written for ``QwenImageTransformer2DModel`` of diffusers 0.42,
whose parameters keep their names.
"""
