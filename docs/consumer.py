"""A center in one file: verified events in SQLite, acked after the commit. Explained in docs/integrate.md."""

import hashlib
import json
import queue
import sqlite3
import sys
from base64 import urlsafe_b64decode as unb64
from base64 import urlsafe_b64encode as b64
from datetime import UTC, datetime
from pathlib import Path

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5

HOST, PORT, TRUST, ACK_KEY, ACK_KID, DB, *TLS = sys.argv[1:]
TOPICS = [("cc/v1/+/+/evt/#", 1), ("cc/v1/+/+/status", 1), ("cc/v1/+/+/req/ack", 1)]
trusted = {one["kid"]: one for one in json.loads(Path(TRUST).read_bytes())["keys"]}
ack_key = load_pem_private_key(Path(ACK_KEY).read_bytes(), None)
db = sqlite3.connect(DB)
db.executescript("""CREATE TABLE IF NOT EXISTS refused (topic, why, wire); PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS event (gw, epoch, seq INT, hash, prev, id, type, wire, PRIMARY KEY (gw, epoch, seq, hash));
CREATE TABLE IF NOT EXISTS cursor (gw, epoch, upto INT, head, PRIMARY KEY (gw, epoch));""")


def verified(topic, wire):
    event = json.loads(wire)
    if rfc8785.dumps(event) != wire:
        raise ValueError("not in canonical form")
    header, detached, signature = event.pop("jws").encode().split(b".")
    signed = rfc8785.dumps(event)
    key = trusted[json.loads(unb64(header + b"=="))["kid"]]
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key["public"]))
    public.verify(unb64(signature + b"=="), header + b"." + b64(signed).rstrip(b"="))
    _, _, org, gw, _, epoch = event["source"].split("/")
    if (key["gw"], detached, len(event["sequence"])) != (gw, b"", 16) or f"/{org}/{gw}/evt/" not in topic:
        raise ValueError("key, source and topic name different gateways")
    said = (str(event[name]) for name in ("prevhash", "id", "type"))
    return (gw, epoch, int(event["sequence"]), hashlib.sha256(signed).hexdigest(), *said, wire)


def signed_ack(gw):
    ack = {"v": 1, "gw": gw, "epochs": [], "ts": f"{datetime.now(UTC):%FT%T.%f}"[:23] + "Z"}
    for _, epoch, upto, head in db.execute("SELECT * FROM cursor WHERE gw = ?", (gw,)).fetchall()[-8:]:
        after = "SELECT seq, hash FROM event WHERE gw = ? AND epoch = ? AND seq = ? AND prev = ?"
        while found := db.execute(after, (gw, epoch, upto + 1, head)).fetchone():
            upto, head = found  # as far as every event is here and hangs on the one before
        db.execute("UPDATE cursor SET upto = ?, head = ? WHERE gw = ? AND epoch = ?", (upto, head, gw, epoch))
        held = {"epoch": epoch, "upto": f"{upto:016d}", "head": head, "sack": [], "lost": [], "blocked": None}
        ack["epochs"].append(held | {"rejected_n": 0, "rejected": []})
    header = b64(rfc8785.dumps({"alg": "EdDSA", "kid": ACK_KID})).rstrip(b"=")
    signature = b64(ack_key.sign(header + b"." + b64(rfc8785.dumps(ack)).rstrip(b"="))).rstrip(b"=")
    return rfc8785.dumps(ack | {"jws": (header + b".." + signature).decode()})


inbox = queue.SimpleQueue()
client = Client(CallbackAPIVersion.VERSION2, "center", protocol=MQTTv5)
client.on_connect = lambda *_: client.subscribe(TOPICS)
client.on_message = lambda _client, _data, message: inbox.put((message.topic, message.payload))
if TLS:
    client.tls_set(*TLS)
client.connect(HOST, int(PORT))
client.loop_start()
while True:
    batch = [inbox.get(), *(inbox.get() for _ in range(min(100, inbox.qsize())))]
    for topic, wire in batch:
        try:
            if "/evt/" in topic:
                row = verified(topic, wire)
                db.execute("INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
                db.execute("INSERT OR IGNORE INTO cursor VALUES (?, ?, 0, ?)", (*row[:2], "0" * 64))
        except (InvalidSignature, LookupError, AttributeError, TypeError, ValueError, RecursionError) as why:
            db.execute("INSERT INTO refused VALUES (?, ?, ?)", (topic, repr(why), wire))
    acks = {gw: signed_ack(gw) for gw in {topic.split("/")[3] for topic, _ in batch}}
    db.commit()  # what an ack says is on disk before it goes out
    for gw, wire in acks.items():
        client.publish(f"cc/v1/{gw[3:9]}/{gw}/ack", wire, qos=1, retain=True)
