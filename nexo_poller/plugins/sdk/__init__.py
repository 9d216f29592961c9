"""The plugin's own side of the wire, for authors in Python: the pollers that run in the daemon run here unchanged."""
