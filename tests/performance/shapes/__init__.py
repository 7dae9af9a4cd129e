"""The earlier program's shape and the workflow's: both measured, and extended by arithmetic."""
