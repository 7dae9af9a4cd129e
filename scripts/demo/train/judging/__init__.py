"""How the demo's judge is trained: what it is asked, the edits it learns from, the model."""
