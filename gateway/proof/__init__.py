"""What can be shown years later, to somebody who trusts nobody: a record judged with public keys alone.

flaws           what can be wrong, and the three verdicts
judging         from events in their order to the verdicts; no I/O
record          a receiver's database, read row by row
choice          which events of a record speak of a person or a time
dossier         those in one signed file, for a prosecutor's desk
dossier_page    what of it a person reads

Nothing here believes what a database says of its own rows: what counts is what the gateways signed.
"""
