"""Receives cars: stores what they say exactly once, tells them so, and prints each booking that ends. Needs paho-mqtt.

    pip install paho-mqtt
    python receive.py HOST PORT ca.pem receiver.pem receiver.key [received.db]

End it and start it again as often as you like, also with kill -9: nothing is lost and nothing is there twice.
"""

import json
import sqlite3
import sys
import zlib

import paho.mqtt.client as mqtt

HOST, PORT, CA, CERTIFICATE, KEY, FILE = [*sys.argv[1:], "received.db"][:6]

db = sqlite3.connect(FILE)
db.execute("PRAGMA synchronous = FULL")  # a commit is on the disk
db.execute(
    "CREATE TABLE IF NOT EXISTS records (vehicle, stream, n INTEGER, kind, record, PRIMARY KEY (vehicle, stream, n))"
)


def read(payload):
    """The JSON of a payload; what is longer than 512 bytes comes compressed, and the first byte tells."""
    return json.loads(zlib.decompress(payload) if payload[:1] == b"\x78" else payload)


def store(said):
    """One message in one transaction. Returns the facts that were not here yet."""
    records = said.get("facts") or [{**said, "kind": "samples"}]  # a run of samples is one record with one number
    new = []
    with db:
        for record in records:
            row = (said["vehicle"], said["stream"], record["n"], record["kind"], json.dumps(record))
            if db.execute("INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?, ?)", row).rowcount:
                new.append(record)
    return new


def acknowledgement(vehicle, stream):
    """All that is stored of a stream, as spans of numbers. (A receiver of a fleet keeps them in memory.)"""
    island = "SELECT n, n - row_number() OVER (ORDER BY n) AS gap FROM records WHERE vehicle = ? AND stream = ?"
    spans = db.execute(f"SELECT min(n), max(n) FROM ({island}) GROUP BY gap ORDER BY 1", (vehicle, stream)).fetchall()
    upto = spans.pop(0)[1] if spans[0][0] == 1 else 0
    return json.dumps({"v": 1, "stream": stream, "upto": upto, "ranges": spans[:16], "poison": []})


def show(vehicle, fact):
    body = fact.get("body", {})
    if (fact["kind"], body.get("event")) == ("booking", "closed"):
        minutes = None if body["duration_ms"] is None else round(body["duration_ms"] / 60_000)
        print(f"{vehicle}: booking {body['booking']}: {body['km']} km, {minutes} min, {body['how']}", flush=True)


def on_connect(client, _data, _flags, code, _properties):
    print(f"connected: {code}", flush=True)
    client.subscribe([("boitier/v1/+/up/facts", 1), ("boitier/v1/+/up/samples", 1)])


def on_message(client, _data, message):
    vehicle = message.topic.split("/")[2]
    try:
        said = read(message.payload)
        new = store(said)  # 1. stored for good
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        print(f"set aside, {message.topic}: {error!r}: {message.payload.hex()}", file=sys.stderr, flush=True)
    else:
        client.publish(f"boitier/v1/{vehicle}/down/ack", acknowledgement(vehicle, said["stream"]), qos=1)  # 2. told so
        for fact in new:
            show(vehicle, fact)
    client.ack(message.mid, message.qos)  # 3. the broker may forget it; before 1 it may not


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="example", clean_session=False, manual_ack=True)
client.tls_set(CA, CERTIFICATE, KEY)
client.on_connect, client.on_message = on_connect, on_message
client.connect_async(HOST, int(PORT))
client.loop_forever(retry_first_connection=True)
