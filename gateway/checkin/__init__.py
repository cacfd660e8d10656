"""The check-in: who is at a kiosk, whether it counts, and what is recorded of it.

purposes   what a person comes for        facts    what a session works with
session    one kiosk, one person at a time   kiosk    a kiosk and its devices at work
"""
