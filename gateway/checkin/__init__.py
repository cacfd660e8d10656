"""Check-in: who is expected, when, and what this gateway can say of it.

Pure, no clock and no I/O:
roster         who is expected: the model and its look-ups      workdays   holidays and make-up workdays
strict         JSON objects read member by member               reading    JSON -> roster
signed_file    the file the center signs: head and pages        schedule   due occurrences, where a moment lies
timeline       when something happened, as far as anybody knows due        done, late, missed, unassessed
purposes       what a person comes for                          facts      what a session works with
session        one kiosk, one person at a time, from the card to an ending
With a disk:
at_rest        the roster encrypted                             incoming   what an import left for the gateway
keeper         the roster of the running gateway
At work:
kiosk          a kiosk and its devices                          kiosks     all of them
directory      the roster, asked by what devices say
"""
