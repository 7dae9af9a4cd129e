"""Measures between images that need no judge, with the rows and statistics of one."""
