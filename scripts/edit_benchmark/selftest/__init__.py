"""The self-test of a judge: whether its scores can be trusted."""
