"""Loaded models that outlive their jobs.

A job that needs a model asks the *keeper* of its run, a process that holds the leases of devices
and starts a *model process* for each model on a device. A model process does one job after another
with the model that it loaded for the first, and writes into each job's own log. The keeper gives
devices to jobs so that as few models as possible are loaded, and ends with the run.
"""
