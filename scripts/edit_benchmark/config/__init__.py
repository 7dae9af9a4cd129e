"""The configuration as types."""
