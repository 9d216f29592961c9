"""How fast, and how much memory. `python -m benchmarks.ticks`, `python -m benchmarks.memory`."""
