// What the official parser says of the published document: exit code 1 and the reasons where it is not accepted.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const errors = diagnostics.filter((one) => one.severity === 0);
for (const one of errors.slice(0, 20)) console.log(`${one.path.join(".")}: ${one.message}`);
if (document === undefined) process.exit(1);
console.log(JSON.stringify({
  version: document.version(),
  channels: document.channels().all().length,
  messages: document.components().messages().all().length,
  operations: document.operations().all().length,
  warnings: [...new Set(diagnostics.filter((one) => one.severity > 0).map((one) => one.code))],
}));
process.exit(errors.length === 0 ? 0 : 1);
