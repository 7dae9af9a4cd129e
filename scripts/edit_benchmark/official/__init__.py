"""Public benchmarks' own aggregation: rows of scores become the tables of their papers."""
