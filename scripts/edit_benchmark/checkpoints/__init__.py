"""Checkpoints: where their weights are, whether they are complete, and how they are loaded."""
