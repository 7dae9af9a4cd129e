"""Measurements of the benchmark itself, through the code that the workflow uses."""
