"""The configuration: a YAML file in, checked values out, and every problem with its place."""

from nexo_poller.config.binding import BoundJob, bind_job, bind_jobs, check_reading, structure_config
from nexo_poller.config.json_schema import json_schema
from nexo_poller.config.model import Config, JobSpec, RejectedJob, Settings
from nexo_poller.config.reading import Reading, load_config, read_config

__all__ = [
    "BoundJob",
    "Config",
    "JobSpec",
    "Reading",
    "RejectedJob",
    "Settings",
    "bind_job",
    "bind_jobs",
    "check_reading",
    "json_schema",
    "load_config",
    "read_config",
    "structure_config",
]
