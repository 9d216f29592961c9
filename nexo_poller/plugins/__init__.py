"""Pollers in processes of their own: programs in any language, spoken to over stdio or a broker.

For such a program in Python there is `serve`; importing it loads nothing that only the daemon needs.
"""

from nexo_poller.plugins.sdk.serving import serve

__all__ = ["serve"]
