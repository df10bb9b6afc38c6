// Signing keys: Ed25519 and ES256 by the browser's own cryptography, ML-DSA-44 by the bundled library.

const SPKI_ED25519 = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);

async function ed25519(raw) {
  try {
    return await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
  } catch {
    throw new Refused("this public key is not one, or this browser does not know Ed25519");
  }
}

async function verifiesEd25519(raw, signature, message) {
  if (signature.length !== 64) return false;
  return crypto.subtle.verify("Ed25519", await ed25519(raw), signature, message);
}

// A record key as the policy pins it: DER SubjectPublicKeyInfo. Its type fixes its algorithm.
async function recordKey(der) {
  const kid = hex(await sha256(der));
  if (der.length === 44 && same(der.subarray(0, 12), SPKI_ED25519)) {
    const raw = der.slice(12);
    await ed25519(raw);
    return { kid, algorithm: -8, verify: (signature, message) => verifiesEd25519(raw, signature, message) };
  }
  let key;
  try {
    key = await crypto.subtle.importKey("spki", der, { name: "ECDSA", namedCurve: "P-256" }, true, ["verify"]);
  } catch {
    throw new Refused("neither an Ed25519 nor a P-256 public key");
  }
  const own = new Uint8Array(await crypto.subtle.exportKey("spki", key));
  const verify = (signature, message) =>
    signature.length === 64 && crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, signature, message);
  return { kid: hex(await sha256(own)), algorithm: -7, verify };
}
