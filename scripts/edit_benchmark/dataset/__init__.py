"""Benchmark files, read into the samples that every later step works on."""
