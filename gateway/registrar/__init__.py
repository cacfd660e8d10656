"""The center's half of enrolment: who may be a gateway, by which keys, until when.

    home        one folder: the authority's key, the center's keys, the book, what is derived from them
    authority   a small certificate authority: gateways, servers, the list of revoked certificates
    models      tables of the book: codes, certificates, event keys, what was done
    book        what is in force, asked and changed in single transactions
    registrar   the decisions: issue a code, enrol, renew, revoke
    web         HTTPS in front of it (`zhijiao receive --enroll`)

A reference and a small center's own; a province with an authority of its own puts an adapter in its place.
The event keys in force are written to a trust file, which the receiver reads again when it changes.
"""
