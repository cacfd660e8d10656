// A center in a file: subscribes to one gateway, verifies, appends to a file, acks after the bytes are on disk.
//   node consumer.mjs --broker URL --gateway GW --trust trust.json --ack-key ack.pem --ack-kid KID --record FILE
// Ends on SIGTERM with a report on standard output: one line of JSON. `ready` is printed once it is subscribed.
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { importPKCS8 } from "jose";
import mqtt from "mqtt";
import { Record, gatewayKeys, opened, signed } from "./record.mjs";

const options = Object.fromEntries(
  ["broker", "gateway", "trust", "ack-key", "ack-kid", "record"].map((name) => [name, { type: "string" }]),
);
const { values: given } = parseArgs({ options });
const root = `cc/v1/${given.gateway.slice(3, 9)}/${given.gateway}/`;
const keys = await gatewayKeys(JSON.parse(readFileSync(given.trust, "utf8")), given.gateway);
const ackKey = await importPKCS8(readFileSync(given["ack-key"], "utf8"), "EdDSA");
const record = new Record(given.gateway);
const file = openSync(given.record, "a");
const client = mqtt.connect(given.broker, { protocolVersion: 5, clientId: `interop-${process.pid}`, reconnectPeriod: 200 });
let due = false;
let work = Promise.resolve(); // one message after the other, in the order of arrival

client.on("connect", () => {
  client.subscribe([`${root}evt/#`, `${root}info`, `${root}status`, `${root}req/ack`], { qos: 1 }, (error) => {
    if (error) throw error;
    console.log("ready");
  });
});
client.on("message", (topic, payload) => {
  work = work.then(() => take(topic, payload));
});
const timer = setInterval(() => {
  work = work.then(ack);
}, 50);
process.on("SIGTERM", () => {
  clearInterval(timer);
  work.then(ack).then(() => client.end(false, () => {
    closeSync(file);
    console.log(JSON.stringify(record.report()));
    process.exit(0);
  }));
});

async function take(topic, payload) {
  const name = topic.slice(root.length);
  if (name.startsWith("evt/")) {
    const placed = await record.take(topic, payload, keys);
    if (placed !== null) writeSync(file, `${JSON.stringify({ topic, wire: payload.toString("utf8") })}\n`);
    due = true; // a message that was here before is acked again: whoever sends it has not heard
  } else if (name === "info") {
    const { message } = await opened(payload, keys).catch((error) => {
      record.refused.push({ topic, reason: error.message });
      return { message: { epochs: [] } };
    });
    for (const one of message.epochs) record.claim(one.epoch, Number(one.last_seq));
    due = true;
  } else if (name === "status") {
    const status = JSON.parse(payload);
    record.claim(status.epoch, Number(status.last_seq));
    due = true;
  } else {
    due = true; // it asks
  }
}

async function ack() {
  if (!due || record.epochs.size === 0) return;
  due = false;
  fsyncSync(file); // what an ack says is on disk
  await client.publishAsync(`${root}ack`, await signed(record.ack(), ackKey, given["ack-kid"]), { qos: 1, retain: true });
}
