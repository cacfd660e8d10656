// Verifies lines of {"topic","wire"} as `consumer.mjs` keeps them: prints its report, exit code 1 where it is not whole.
//   node verify.mjs --gateway GW --trust trust.json [--last EPOCH:SEQ] FILE
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Record, gatewayKeys } from "./record.mjs";

const options = { gateway: { type: "string" }, trust: { type: "string" }, last: { type: "string" } };
const { values: given, positionals } = parseArgs({ options, allowPositionals: true });
const keys = await gatewayKeys(JSON.parse(readFileSync(given.trust, "utf8")), given.gateway);
const record = new Record(given.gateway);
for (const line of readFileSync(positionals[0], "utf8").split("\n").filter(Boolean)) {
  const { topic, wire } = JSON.parse(line);
  await record.take(topic, Buffer.from(wire), keys);
}
if (given.last) record.claim(given.last.split(":")[0], Number(given.last.split(":")[1]));
const report = record.report();
console.log(JSON.stringify(report));
process.exit(report.whole ? 0 : 1);
