"""The configuration: a YAML file in, checked values out, and every problem with its place.

`reading` is the way in, `model` what comes out, `binding` brings jobs and pollers together. Nothing is imported here:
who only needs the model does not wait for the YAML half.
"""
