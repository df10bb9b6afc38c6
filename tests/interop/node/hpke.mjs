// Sealed envelopes with @hpke/core and @hpke/hybridkem-x-wing, CBOR by cbor-x: nothing of ours is in here but the layout.
// {"op": "open", "envelope", "seed"} -> [salt, leaf entry, COSE];
// {"op": "seal", "header": [version, suite, kiosk, sequence], "leaf_hash", "public", "inside": [...]} -> an envelope.
import { createHash } from "node:crypto";
import { Aes256Gcm, CipherSuite, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import { Encoder } from "cbor-x";
import { bytes, serve, text } from "./lines.mjs";

const suite = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
const cbor = new Encoder({ useRecords: false, tagUint8Array: false, variableMapSize: true });

async function open({ envelope, seed }) {
  const fields = cbor.decode(bytes(envelope));
  const [version, ids] = fields;
  const wanted = [suite.kem.id, suite.kdf.id, suite.aead.id];
  if (fields.length !== 7 || version !== 1 || JSON.stringify(ids) !== JSON.stringify(wanted)) {
    throw new Error("another layout, version or suite");
  }
  const recipientKey = await suite.kem.importKey("raw", Uint8Array.from(bytes(seed)).buffer, false);
  const sealed = fields[6];
  const split = suite.kem.encSize;
  const context = { recipientKey, enc: Uint8Array.from(sealed.subarray(0, split)).buffer, info: info(fields) };
  const opened = await suite.open(context, Uint8Array.from(sealed.subarray(split)).buffer);
  return cbor.decode(Buffer.from(opened)).map(text);
}

async function seal({ header, leaf_hash, public: key, inside }) {
  const recipientPublicKey = await suite.kem.importKey("raw", Uint8Array.from(bytes(key)).buffer, true);
  const recipient = createHash("sha256").update(bytes(key)).digest();
  const fields = [...header, bytes(leaf_hash), recipient];
  const plaintext = Uint8Array.from(cbor.encode(inside.map(bytes))).buffer;
  const made = await suite.seal({ recipientPublicKey, info: info(fields) }, plaintext);
  return text(cbor.encode([...fields, Buffer.concat([Buffer.from(made.enc), Buffer.from(made.ct)])]));
}

const info = (fields) => Uint8Array.from(cbor.encode(fields.slice(0, 6))).buffer;

await serve((question) => (question.op === "seal" ? seal(question) : open(question)));
