"""The contract with the center, said once: what is checked by it, and what is published of it.

shapes, forms                          what a value may look like: judged by it, and written as JSON Schema
attributes, event_data, what_*         events: their attributes, and the data of every type
messages                               everything else that crosses the line: info, status, ack, requests, commands
examples                               an invented one of each, signed with keys that everybody knows
schemas, asyncapi                      what is committed under docs/contract; `python -m gateway.contract` writes it
"""
