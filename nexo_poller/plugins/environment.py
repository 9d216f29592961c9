"""What a daemon tells the plugins that it starts, by the names of variables of their environment."""

from typing import Final

PLUGIN_ID: Final = "NEXO_POLLER_PLUGIN_ID"
EPHEMERAL: Final = "NEXO_POLLER_EPHEMERAL"  # "1": live for one tick
BROKER_URL: Final = "NEXO_BROKER_URL"  # the NATS server over which to speak
