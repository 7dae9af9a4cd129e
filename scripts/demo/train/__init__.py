"""How the demo's models were trained; nothing of the workflow imports it."""
