// The opening (statement and salt) and the proof, recomputed as kiosk/guarantee/receipt.py does.

const OPENING_HEADER = "deposit-kiosk-receipt@v1";
const PROOF_HEADER = "c2sp.org/tlog-proof@v1";
const QR_BYTES_MAX = 1400;
const CLAIMS = ["credited", "returned", "retained", "disputed"];
const STATEMENT = [
  ...["v", "kiosk", "seq", "kind", "at", "clock_synchronised"],
  ...["deposit_id", "account_masked", "account_known", "outcome", "sums", "disputed_unvalued"],
  ...["bundle", "record_seq", "record_leaf"],
];
const LEAF_DOMAIN = "kiosk-leaf-v1\0";
const isBytes = (value, length) => value instanceof Uint8Array && (length === undefined || value.length === length);
const isText = (value) => typeof value === "string";
const isInteger = (value) => typeof value === "number" || typeof value === "bigint";
const isCount = (value) => isInteger(value) && value >= 0;

function opened(text) {
  if (utf8(text).length > QR_BYTES_MAX) throw new Refused("this opening is too long to be one");
  const at = text.indexOf("\n");
  if ((at < 0 ? text : text.slice(0, at)) !== OPENING_HEADER) throw new Refused(`a receipt begins with the line ${OPENING_HEADER}`);
  const parts = cborDecode(decodeBase64(at < 0 ? "" : text.slice(at + 1)), QR_BYTES_MAX);
  if (!Array.isArray(parts) || parts.length !== 2 || !isBytes(parts[0], 32) || !isBytes(parts[1]))
    throw new Refused("a receipt's opening is a salt and a signed statement");
  return { salt: parts[0], signed: parts[1] };
}

// Which kiosk it says that it is from: to find the keys with, not to be believed.
function claimedKiosk(opening) {
  const content = cborDecode(coseParse(opened(opening).signed).payload, PAYLOAD_BYTES_MAX);
  if (!(content instanceof Map) || !isText(content.get("kiosk"))) throw new Refused("a statement that names no kiosk");
  return content.get("kiosk");
}

// The statement that one of `keys` has signed: {content, sequence, at, leaf, kid}; whether it is in the log is not asked.
async function verifyStatement(opening, kiosk, keys) {
  const { salt, signed } = opened(opening);
  const { payload, kid } = await coseVerify(signed, keys);
  const content = cborDecode(payload, PAYLOAD_BYTES_MAX);
  if (!(content instanceof Map) || !isHeader(content, kiosk)) throw new Refused("a statement whose kiosk, sequence, kind or time cannot be");
  if (content.get("kind") !== "receipt" || !isStatement(content)) throw new Refused("what was signed is not a receipt statement");
  const commitment = await sha256(concat(utf8(LEAF_DOMAIN), salt, signed));
  const [sequence, at] = [content.get("seq"), content.get("at")];
  const entry = cborEncode([kiosk, sequence, "receipt", `${at.slice(0, 16)}Z`, commitment]);
  return { content, sequence: BigInt(sequence), at, leaf: await leafHash(entry), kid };
}

function isHeader(content, kiosk) {
  const [version, sequence, at] = ["v", "seq", "at"].map((name) => content.get(name));
  const fits = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(kiosk) && content.get("kiosk") === kiosk;
  const timed = isText(at) && /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$/.test(at) && isMoment(at);
  return fits && timed && version === 1 && Number.isSafeInteger(sequence) && sequence >= 0 && typeof content.get("clock_synchronised") === "boolean";
}

// A time that exists: JavaScript would make the 1st of March of a 30th of February.
function isMoment(at) {
  const moment = new Date(at);
  return !Number.isNaN(moment.getTime()) && at.slice(0, 4) !== "0000" && moment.toISOString() === at;
}

function isStatement(content) {
  const value = (name) => content.get(name);
  const named = content.size === STATEMENT.length && STATEMENT.every((name) => content.has(name));
  const typed = ["account_masked", "outcome", "bundle"].every((name) => isText(value(name)));
  const known = value("account_known") === null || typeof value("account_known") === "boolean";
  const sized = isBytes(value("deposit_id"), 16) && isBytes(value("record_leaf"), 32);
  const counted = isCount(value("disputed_unvalued")) && isCount(value("record_seq"));
  return named && typed && known && sized && counted && value("sums") instanceof Map && areSums(value("sums"));
}

// Currency -> claim -> minor units, and what was inserted is the sum over the claims.
function areSums(sums) {
  for (const [currency, row] of sums) {
    if (!isText(currency) || !(row instanceof Map) || row.size !== 5) return false;
    if (!["inserted", ...CLAIMS].every((name) => isCount(row.get(name)))) return false;
    if (BigInt(row.get("inserted")) !== CLAIMS.reduce((sum, claim) => sum + BigInt(row.get(claim)), 0n)) return false;
  }
  return true;
}

function parseProof(text) {
  if (utf8(text).length > 16 * 1024) throw new Refused("this proof is too long to be one");
  const at = text.indexOf("\n\n");
  const lines = (at < 0 ? text : text.slice(0, at)).split("\n");
  if (lines.shift() !== PROOF_HEADER || at < 0) throw new Refused(`a proof begins with the line ${PROOF_HEADER}`);
  if (lines.length && lines[0].startsWith("extra ")) decodeBase64(lines.shift().slice("extra ".length));
  const found = /^index (0|[1-9][0-9]{0,18})$/.exec(lines.shift() ?? "");
  if (!found || lines.length > 64) throw new Refused("a proof has one index and at most 64 hashes");
  return { index: BigInt(found[1]), hashes: lines.map(decodeBase64), checkpoint: text.slice(at + 2) };
}

// The checkpoint whose tree has `leaf` at `index`, and who cosigned it.
async function verifyProof(text, leaf, index, logs, witnesses) {
  const proof = parseProof(text);
  if (proof.index !== index) throw new Refused(`the proof is about leaf ${proof.index}, not ${index}`);
  const point = await verifyCheckpoint(proof.checkpoint, logs);
  const cosigned = await verifyCosignatures(point, witnesses);
  await verifyInclusion(index, point.size, leaf, proof.hashes, point.root);
  return { point, cosigned, logs };
}
