"""ZKTeco attendance terminals that push over HTTP (ADMS, `/iclock/…`): requests, their bodies, the answers.

requests  what a request line asks           records   lines of ATTLOG, one by one
bodies    results of commands, device facts  answers   what the server says, both halves
"""
