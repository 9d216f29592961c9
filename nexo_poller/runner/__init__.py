"""The machine: owns the nursery, every job's scope, and the relay."""
