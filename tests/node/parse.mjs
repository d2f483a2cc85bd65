// Reads AsyncAPI documents with the parser of those who write AsyncAPI: what it finds wrong in each, and what it
// understood, as one JSON list. node parse.mjs FILE…
import { fromFile, Parser } from "@asyncapi/parser";

const told = [];
for (const file of process.argv.slice(2)) {
  const { document, diagnostics } = await fromFile(new Parser(), file).parse();
  told.push({
    wrong: diagnostics.filter(({ severity }) => severity < 2).map(({ message, path }) => `${path.join(".")}: ${message}`),
    channels: (document?.channels().all() ?? []).map((channel) => channel.address()),
    fields: (document?.messages().all() ?? []).map((it) => [it.id(), Object.keys(it.payload()?.properties() ?? {}).length]),
  });
}
console.log(JSON.stringify(told));
