"""Benchmark image-editing models: samples, editors, judges, scores and reports."""

__version__ = "0.2.0"
