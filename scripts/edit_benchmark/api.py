"""All that a class of your own imports: ``editor: class_path`` and ``judge: class_path``.

Nothing else of the library is meant for use from outside.
"""

from edit_benchmark.editing.editor import Editor
from edit_benchmark.errors import SampleError, SkipSample
from edit_benchmark.judging.judge import Answer, Case, Judge

__all__ = ["Answer", "Case", "Editor", "Judge", "SampleError", "SkipSample"]
