"""`python -m nexo_poller`: the same as the command `nexo-poller`."""

from nexo_poller.cli import main

main(prog_name="nexo-poller")
