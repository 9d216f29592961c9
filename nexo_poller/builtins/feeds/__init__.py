"""Feeds: bytes in, entries out. The parsing runs in worker processes that can be killed (rule O3)."""
