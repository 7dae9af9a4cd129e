"""Faster arithmetic for diffusers pipelines, without approximation.

Bit-exact accelerations leave every output bit as the reference computes it. Numeric ones are the
same mathematics with another rounding: fused kernels keep more digits between two steps than the
reference, which rounds after each. ``apply`` chooses: blocks by kernels of our own for the two
families of Qwen-Image (``qwen_image``, ``qwen_image21``; parameters keep their names), compiled
blocks for every other transformer, and whatever of the rest fits. Written for diffusers 0.42.
"""
