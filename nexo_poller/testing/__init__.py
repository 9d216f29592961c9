"""What tests of pollers, and of this library, stand on."""

from nexo_poller.testing.clock import VirtualClock

__all__ = ["VirtualClock"]
