"""The durable store: one SQLite file, one thread, one connection. peewee is imported here and in the receiver only.

models      tables                      db_thread   one thread, group commit
migrations  how the tables came to be   epochs      which epoch runs, and why a new one opens
database    opening, settings, errors   outbox      append, what to send next, settle
salvage     a damaged file              store       the face of it all
"""
