"""The demo: its drawn benchmark and its models, which the library itself never uses."""
