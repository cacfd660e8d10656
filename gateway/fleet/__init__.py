"""A province of gateways that are not there: real signed events over real connections, to size a center with.

boxes     one such gateway: its key, its chain, what it says
running   all of them at a broker, until the center's signed acks prove that it holds everything
figures   what that took

No store, no devices, no disk: what a center meets is the same bytes on the same topics.
"""
