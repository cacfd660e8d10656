// What an independent center knows of one gateway: events that verify, their chain, what is missing. No MQTT, no files.
import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { CompactSign, base64url, compactVerify, decodeProtectedHeader, importJWK } from "jose";

const GENESIS = "0".repeat(64);
export const seqText = (n) => String(n).padStart(16, "0");

/** kid -> key, of a trust file: {"keys":[{"kid","role","gw","public"}]}; only keys of this gateway's role. */
export async function gatewayKeys(trust, gateway) {
  const keys = new Map();
  for (const one of trust.keys.filter((key) => key.role === "gateway" && key.gw === gateway)) {
    const x = base64url.encode(Buffer.from(one.public, "hex"));
    keys.set(one.kid, await importJWK({ kty: "OKP", crv: "Ed25519", x }, "EdDSA"));
  }
  return keys;
}

/** The message without its signature, and the hash of what was signed; throws with the reason. */
export async function opened(wire, keys) {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(wire);
  const message = JSON.parse(text);
  if (canonicalize(message) !== text) throw new Error("not canonical");
  const { jws, ...unsigned } = message;
  if (typeof jws !== "string") throw new Error("unsigned");
  const [header, between, signature] = jws.split(".");
  if (between !== "") throw new Error("signature is not detached");
  const key = keys.get(decodeProtectedHeader(jws).kid);
  if (key === undefined) throw new Error("unknown key");
  const payload = Buffer.from(canonicalize(unsigned));
  await compactVerify(`${header}.${base64url.encode(payload)}.${signature}`, key, { algorithms: ["EdDSA"] });
  return { message: unsigned, hash: createHash("sha256").update(payload).digest("hex") };
}

/** Wire bytes of a message with a detached signature. */
export async function signed(message, key, kid) {
  const payload = Buffer.from(canonicalize(message));
  const whole = await new CompactSign(payload).setProtectedHeader({ alg: "EdDSA", kid }).sign(key);
  const [header, , signature] = whole.split(".");
  return canonicalize({ ...message, jws: `${header}..${signature}` });
}

export class Record {
  constructor(gateway) {
    this.gateway = gateway;
    this.epochs = new Map(); // epoch -> { events: Map(seq -> {hash, previous, id}), upto, end, faults }
    this.refused = []; // what did not verify, with the reason
    this.duplicates = 0;
  }

  epoch(name) {
    if (!this.epochs.has(name)) this.epochs.set(name, { events: new Map(), upto: 0, end: 0, faults: [] });
    return this.epochs.get(name);
  }

  /** Takes an event on this topic; returns the names of what is new, or null where it takes no place. */
  async take(topic, wire, keys) {
    try {
      const { message, hash } = await opened(wire, keys);
      const [, , org, gateway, , epoch] = message.source.split("/");
      if (!topic.startsWith(`cc/v1/${org}/${gateway}/evt/`)) throw new Error("topic and source differ");
      return this.place(epoch, Number(message.sequence), { hash, previous: message.prevhash, id: message.id });
    } catch (error) {
      this.refused.push({ topic, reason: error.message });
      return null;
    }
  }

  place(name, seq, event) {
    const epoch = this.epoch(name);
    const before = epoch.events.get(seq);
    if (before !== undefined) {
      if (before.hash === event.hash) this.duplicates += 1;
      else epoch.faults.push(`fork at ${seq}`);
      return null;
    }
    epoch.events.set(seq, event);
    this.advance(epoch);
    return { epoch: name, seq };
  }

  /** `upto` goes as far as every event is here and hangs on the one before. */
  advance(epoch) {
    for (let next = epoch.events.get(epoch.upto + 1); next !== undefined; next = epoch.events.get(epoch.upto + 1)) {
      const previous = epoch.upto === 0 ? GENESIS : epoch.events.get(epoch.upto).hash;
      if (next.previous !== previous) {
        const fault = `${epoch.upto + 1} does not hang on ${epoch.upto}`;
        if (!epoch.faults.includes(fault)) epoch.faults.push(fault);
        return;
      }
      epoch.upto += 1;
    }
  }

  /** The gateway says that an epoch goes so far: what is beyond the last event we hold is missing too. */
  claim(name, last) {
    const epoch = this.epoch(name);
    epoch.end = Math.max(epoch.end, last);
  }

  /** Ranges that are not here, up to the highest sequence that is known to exist. */
  missing(epoch) {
    const ranges = [];
    const last = Math.max(epoch.end, ...epoch.events.keys());
    for (let seq = epoch.upto + 1; seq <= last; seq += 1) {
      if (epoch.events.has(seq)) continue;
      if (ranges.at(-1)?.[1] === seq - 1) ranges.at(-1)[1] = seq;
      else ranges.push([seq, seq]);
    }
    return ranges;
  }

  /** The content of an ack of everything that is held. */
  ack() {
    const epochs = [...this.epochs].filter(([, epoch]) => epoch.events.size > 0).slice(-8);
    return {
      v: 1,
      gw: this.gateway,
      epochs: epochs.map(([name, epoch]) => ({
        epoch: name,
        upto: seqText(epoch.upto),
        head: epoch.upto === 0 ? GENESIS : epoch.events.get(epoch.upto).hash,
        sack: this.beyond(epoch).slice(0, 256).map((range) => range.map(seqText)),
        lost: [],
        rejected_n: 0,
        rejected: [],
        blocked: null,
      })),
      ts: new Date().toISOString(),
    };
  }

  beyond(epoch) {
    const ranges = [];
    for (const seq of [...epoch.events.keys()].filter((one) => one > epoch.upto).sort((a, b) => a - b)) {
      if (ranges.at(-1)?.[1] === seq - 1) ranges.at(-1)[1] = seq;
      else ranges.push([seq, seq]);
    }
    return ranges;
  }

  report() {
    const epochs = {};
    for (const [name, epoch] of this.epochs) {
      const { upto, faults } = epoch;
      epochs[name] = { events: epoch.events.size, upto, missing: this.missing(epoch), faults };
    }
    const whole = this.refused.length === 0 &&
      Object.values(epochs).every((one) => one.missing.length === 0 && one.faults.length === 0);
    return { whole, duplicates: this.duplicates, refused: this.refused, epochs };
  }
}
