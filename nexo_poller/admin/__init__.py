"""A running daemon for its operator: what it does, to be seen and steered, by people and by programs.

`mount` puts it into an app of yours and runs the runner there; `admin_blueprint` leaves the running to you. Needs
Quart-Trio, which comes with this library.
"""

from nexo_poller.admin.access import Rules
from nexo_poller.admin.blueprint import admin_blueprint
from nexo_poller.admin.mounting import mount

__all__ = ["Rules", "admin_blueprint", "mount"]
