// Receives cars: stores what they say exactly once, tells them so, and prints each booking that ends. Needs mqtt.
//
//     npm install mqtt
//     node receive.mjs HOST PORT ca.pem receiver.pem receiver.key [received.jsonl]
//
// End it and start it again as often as you like, also with kill -9: nothing is lost and nothing is there twice.

import { appendFileSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { inflateSync } from "node:zlib";
import mqtt from "mqtt";

const [host, port, ca, certificate, key, name = "received.jsonl"] = process.argv.slice(2);

// One record a line, and in memory the numbers of each stream. A line that was half written comes again.
const stored = new Map();
for (const line of existsSync(name) ? readFileSync(name, "utf8").split("\n") : []) {
  try {
    const { vehicle, stream, record } = JSON.parse(line);
    numbers(vehicle, stream).add(record.n);
  } catch {}
}
if (existsSync(name)) appendFileSync(name, "\n");
const file = openSync(name, "a");

function numbers(vehicle, stream) {
  const which = `${vehicle}/${stream}`;
  return stored.get(which) ?? stored.set(which, new Set()).get(which);
}

// The JSON of a payload; what is longer than 512 bytes comes compressed, and the first byte tells.
const read = (payload) => JSON.parse(payload[0] === 0x78 ? inflateSync(payload) : payload);

// One message. Returns the records that were not here yet, when they are on the disk.
function store({ vehicle, stream, facts, ...run }) {
  const seen = numbers(vehicle, stream);
  const records = (facts ?? [{ ...run, kind: "samples" }]).filter(({ n }) => Number.isSafeInteger(n) && !seen.has(n));
  writeSync(file, records.map((record) => JSON.stringify({ vehicle, stream, record }) + "\n").join(""));
  fsyncSync(file);
  for (const { n } of records) seen.add(n);
  return records;
}

// All that is stored of a stream, as spans of numbers. (A receiver of a fleet keeps them in memory.)
function acknowledgement(vehicle, stream) {
  const spans = [[0, 0]];
  for (const n of [...numbers(vehicle, stream)].sort((a, b) => a - b)) {
    if (n === spans.at(-1)[1] + 1) spans.at(-1)[1] = n;
    else spans.push([n, n]);
  }
  const [[, upto], ...ranges] = spans;
  return JSON.stringify({ v: 1, stream, upto, ranges: ranges.slice(0, 16), poison: [] });
}

function show(vehicle, { kind, body }) {
  if (kind !== "booking" || body.event !== "closed") return;
  const minutes = body.duration_ms === null ? null : Math.round(body.duration_ms / 60_000);
  console.log(`${vehicle}: booking ${body.booking}: ${body.km} km, ${minutes} min, ${body.how}`);
}

const client = mqtt.connect(`mqtts://${host}:${port}`, {
  ca: readFileSync(ca), cert: readFileSync(certificate), key: readFileSync(key),
  protocolVersion: 4, clientId: "example", clean: false,
});
client.on("error", (error) => console.error(String(error)));
client.on("connect", () => client.subscribe(["boitier/v1/+/up/facts", "boitier/v1/+/up/samples"], { qos: 1 }));
client.handleMessage = ({ topic, payload }, done) => {
  const vehicle = topic.split("/")[2];
  let said, fresh;
  try {
    said = read(payload);
    fresh = store(said); // 1. stored for good
  } catch (error) {
    if (error.syscall) throw error; // a full disk ends the program, and the broker keeps the message
    console.error(`set aside, ${topic}: ${error}: ${payload.toString("hex")}`);
    return done();
  }
  client.publish(`boitier/v1/${vehicle}/down/ack`, acknowledgement(vehicle, said.stream), { qos: 1 }); // 2. told so
  for (const record of fresh) show(vehicle, record);
  done(); // 3. the broker may forget it; before 1 it may not
};
