"""Durable polling jobs on Trio."""
