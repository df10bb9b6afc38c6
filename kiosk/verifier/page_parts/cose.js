// COSE_Sign1 (RFC 9052 section 4.2) in one strict profile: algorithm, content type and kid protected, nothing else.

const RECORD_TYPE = "application/vnd.deposit-kiosk.record+cbor";
const PAYLOAD_BYTES_MAX = 64 * 1024;
const ALGORITHM_NAMES = { "-8": "EdDSA", "-7": "ES256" };

function coseParse(data) {
  if (data[0] !== 0xd2) throw new Refused("not a COSE_Sign1 (tag 18)");
  const parts = cborDecode(data.subarray(1), PAYLOAD_BYTES_MAX + 512);
  const ours = Array.isArray(parts) && parts.length === 4 && parts[1] instanceof Map;
  if (!ours || [0, 2, 3].some((at) => !(parts[at] instanceof Uint8Array)))
    throw new Refused("not a COSE_Sign1 with an attached payload");
  const [protectedHeader, unprotected, payload, signature] = parts;
  return { protectedHeader, unprotected, payload, signature };
}

// {payload, kid}: signed by one of `keys` (kid -> key) with that key's own algorithm.
async function coseVerify(data, keys) {
  const message = coseParse(data);
  const header = cborDecode(message.protectedHeader, 512);
  if (message.unprotected.size || !(header instanceof Map) || [...header.keys()].sort().join() !== "1,3,4")
    throw new Refused("COSE headers are not those of our profile");
  const [algorithm, kid] = [header.get(1), header.get(4)];
  if (header.get(3) !== RECORD_TYPE || !(kid instanceof Uint8Array) || !(algorithm in ALGORITHM_NAMES))
    throw new Refused(`signed as something else than ${RECORD_TYPE} with one of our algorithms`);
  const key = keys.get(hex(kid));
  if (!key) throw new Refused(`unknown key ${hex(kid).slice(0, 16)}`);
  if (key.algorithm !== algorithm)
    throw new Refused(`key ${key.kid.slice(0, 16)} is pinned for ${ALGORITHM_NAMES[key.algorithm]}, not ${ALGORITHM_NAMES[algorithm]}`);
  const signed = cborEncode(["Signature1", message.protectedHeader, new Uint8Array(), message.payload]);
  if (!(await key.verify(message.signature, signed)))
    throw new Refused(`bad ${ALGORITHM_NAMES[algorithm]} signature for key ${key.kid.slice(0, 16)}`);
  return { payload: message.payload, kid: key.kid };
}
