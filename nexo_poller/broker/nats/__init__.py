"""Messages over NATS: kept by JetStream where a stream covers their topic, passed on by core NATS where none does.

nats-py speaks asyncio; `trio_asyncio` runs it on trio's own loop. `link` keeps a connection up, `connection` is one life
of it, `publishing`, `consumer` and `answers` are what is done over it, and `broker` puts them together.
"""
