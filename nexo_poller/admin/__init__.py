"""A running daemon for its operator: what it does, to be seen and steered, by people and by programs."""
