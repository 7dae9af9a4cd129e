"""Editing: the job, the kinds of editors, and a file for each backend."""
