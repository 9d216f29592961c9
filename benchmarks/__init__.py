"""How fast, and how much memory. `python -m benchmarks.ticks`, `benchmarks.memory`, `benchmarks.reload`."""
