"""Reading the result files that the benchmarks' own scripts write."""
