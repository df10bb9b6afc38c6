// Pages before AsyncAPI's own JSON schema. {"page"} -> its version.
import { createRequire } from "node:module";
import Ajv from "ajv";
import { serve } from "./lines.mjs";

const schemas = createRequire(import.meta.url)("@asyncapi/specs").schemas;
// The schema brings draft-07 itself along, and names formats that ajv alone does not know.
const ajv = new Ajv({ strict: false, meta: false, validateSchema: false, validateFormats: false });
const known = new Map();

function judge({ page }) {
  const version = String(page.asyncapi);
  if (!known.has(version)) {
    if (schemas[version] === undefined) throw new Error(`no schema of AsyncAPI ${version}`);
    known.set(version, ajv.compile(schemas[version]));
  }
  const holds = known.get(version);
  if (!holds(page)) throw new Error(holds.errors.map((one) => `${one.instancePath} ${one.message}`).join("; ").slice(0, 400));
  return version;
}

await serve(judge);
