// COSE_Sign1 with @auth0/cose. {"op": "verify", "message", "key" (PEM), "algorithm"} -> the payload;
// {"op": "sign", "payload", "type", "kid"} -> {"message", "key"} by a new Ed25519 key of this side; `kid` comes back with it.
import { createHash, createPublicKey, generateKeyPairSync } from "node:crypto";
import { Algorithms, Headers, Sign1 } from "@auth0/cose";
import { bytes, serve, text } from "./lines.mjs";

const own = generateKeyPairSync("ed25519");
const spki = own.publicKey.export({ type: "spki", format: "der" });
const kid = createHash("sha256").update(spki).digest();

async function verify({ message, key, algorithm }) {
  const signed = Sign1.decode(bytes(message));
  await signed.verify(createPublicKey(key), { algorithms: [Algorithms[algorithm]] });
  return text(signed.payload);
}

async function sign({ payload, type }) {
  const header = [
    [Headers.Algorithm, Algorithms.EdDSA],
    [Headers.ContentType, type],
    [Headers.KeyID, kid],
  ];
  const signed = await Sign1.sign(header, undefined, bytes(payload), own.privateKey);
  return { message: text(signed.encode()), key: own.publicKey.export({ type: "spki", format: "pem" }) };
}

await serve((question) => (question.op === "sign" ? sign(question) : verify(question)));
