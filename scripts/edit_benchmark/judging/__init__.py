"""Judges: what they are asked about an edit, and how their answers become scores."""
