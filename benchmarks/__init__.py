"""How fast, and how much memory. `python -m benchmarks.ticks`, `.memory`, `.reload`, `.plugins`."""
