"""What many would write first: one JSON message a sample, QoS 1 by paho, each waited for; nothing stored.

`python -m hil.benchmarks.rows JOB.json` prints how long that took. What is not here: an acknowledgement of a backend's.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

PATIENCE_S = 10.0


def main(job: dict[str, Any]) -> dict[str, float]:
    """job: broker, ca, certificate, key, topic, names, rows. Seconds from the connection to the last PUBACK."""
    host, _, port = job["broker"].rpartition(":")
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="rows")
    client.tls_set(job["ca"], job["certificate"], job["key"])
    client.connect(host, int(port))
    client.loop_start()
    deadline = time.monotonic() + PATIENCE_S
    while not client.is_connected() and time.monotonic() < deadline:
        time.sleep(0.005)
    began, size = time.perf_counter(), 0
    for at, values in job["rows"]:
        row = {"vehicle": job["vehicle"], "at": at} | dict(zip(job["names"], values, strict=True))
        payload = json.dumps(row, separators=(",", ":"))
        client.publish(job["topic"], payload, qos=1).wait_for_publish(PATIENCE_S)
        size += len(payload)
    took = time.perf_counter() - began
    client.disconnect()
    client.loop_stop()
    return {"seconds": took, "bytes": size}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))), flush=True)
