"""The HTTP API and the page, as one ASGI application, and the server that runs it in the gateway's own loop.

Kept empty: FastAPI is imported by `gateway.api.server` only, and only by whoever serves.
"""
