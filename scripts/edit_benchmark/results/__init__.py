"""What a run writes: paths, the store of finished work, tables."""
