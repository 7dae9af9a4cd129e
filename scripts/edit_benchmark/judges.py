"""The names that a judge of one's own imported from here before 0.2.

They stay, so that such a file goes on unchanged: a changed file is another judge, and every answer
would be asked for again. New classes import from ``edit_benchmark.api``.
"""

from edit_benchmark.judging.judge import Answer, Case, Judge

__all__ = ["Answer", "Case", "Judge"]
