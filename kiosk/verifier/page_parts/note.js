// C2SP signed-note, tlog-checkpoint, tlog-cosignature: the log's signed size and root, and who vouches for it.

const ED25519_LOG = 1;
const ED25519_COSIGNATURE = 4;
const ML_DSA_44_COSIGNATURE = 6;
const COSIGNATURE_BYTES = { 4: 64, 6: 2420 };
const PUBLIC_BYTES = { 1: 32, 4: 32, 6: 1312 };
const TIMESTAMP_MAX = 2n ** 63n - 1n;
const DASH = "\u2014 ";

const nameFits = (name) => name !== "" && !/[+\s\p{C}\p{Z}]/u.test(name);

function badText(text) {
  if (!text.endsWith("\n")) return "a note's text ends in a newline";
  return /[\x00-\x09\x0b-\x1f\x7f]/.test(text) ? "a note holds no control characters but newlines" : "";
}

// {name, id, type, raw} of a vkey, the key id checked.
async function parseVkey(vkey, types) {
  const [name, id, ...rest] = vkey.trim().split("+");
  if (!nameFits(name) || !/^[0-9a-f]{8}$/.test(id ?? "")) throw new Refused("this verifier key's name or key id is not right");
  const typed = decodeBase64(rest.join("+"));
  const type = typed[0];
  if (!types.includes(type) || typed.length !== 1 + PUBLIC_BYTES[type])
    throw new Refused(types[0] === ED25519_LOG ? "this verifier key is not an Ed25519 one" : "a witness's key is of type 04 (Ed25519) or 06 (ML-DSA-44)");
  const own = hex((await sha256(concat(utf8(`${name}\n`), typed))).subarray(0, 4));
  if (own !== id || utf8(name).length > 255) throw new Refused(`the name or the key id of ${name} is not right`);
  const raw = typed.slice(1);
  if (type !== ML_DSA_44_COSIGNATURE) await ed25519(raw);
  return { name, id, type, raw };
}

function parseNote(text) {
  if (utf8(text).length > 64 * 1024) throw new Refused("this note is too long to be one");
  const at = text.lastIndexOf("\n\n");
  const body = at < 0 ? "\n" : text.slice(0, at + 1);
  const problem = badText(body);
  if (problem || at < 0 || !text.slice(at + 2).endsWith("\n"))
    throw new Refused(problem || "note is not text, an empty line and signature lines");
  const lines = text.slice(at + 2, -1).split("\n");
  if (lines.length > 64) throw new Refused("note with more than 64 signatures");
  return { text: body, lines: lines.map(parseSignatureLine) };
}

function parseSignatureLine(line) {
  const rest = line.startsWith(DASH) ? line.slice(DASH.length) : "";
  const space = rest.indexOf(" ");
  const name = space < 0 ? rest : rest.slice(0, space);
  if (!nameFits(name)) throw new Refused("malformed signature line in a note");
  const raw = decodeBase64(space < 0 ? "" : rest.slice(space + 1));
  if (raw.length <= 4) throw new Refused("a signature line in a note without a signature");
  return { name, id: hex(raw.subarray(0, 4)), signature: raw.subarray(4) };
}

const sameKey = (line, key) => line.name === key.name && line.id === key.id;

// The checkpoint that keys of the same log, `logs`, have signed: {origin, size (BigInt), root, text, note, signedBy}.
async function verifyCheckpoint(signed, logs) {
  const note = parseNote(signed);
  const signedBy = [];
  for (const log of logs) {
    const line = note.lines.find((each) => sameKey(each, log));
    if (line && !(await verifiesEd25519(log.raw, line.signature, utf8(note.text))))
      throw new Refused(`bad signature of the log ${log.name}`);
    if (line) signedBy.push(log);
  }
  if (!signedBy.length) throw new Refused("no known key has signed this note");
  const lines = note.text.split("\n").slice(0, -1);
  if (lines.length !== 3 || lines[0] !== logs[0].name || !/^(?:0|[1-9][0-9]{0,18})$/.test(lines[1]))
    throw new Refused("not a checkpoint of this log");
  const [size, root] = [BigInt(lines[1]), decodeBase64(lines[2])];
  const empty = same(root, await sha256(new Uint8Array()));
  if (root.length !== HASH_BYTES || size > SIZE_MAX || (size === 0n) !== empty)
    throw new Refused("a checkpoint whose size or root cannot be");
  return { origin: lines[0], size, root, text: note.text, note, signedBy };
}

// Who of `witnesses` cosigned it: [{name, id, type, at}], each once. A bad signature of any of them refuses the whole.
async function verifyCosignatures(point, witnesses) {
  const found = [];
  const known = [...witnesses];
  for (const line of point.note.lines) {
    const at = known.findIndex((witness) => sameKey(line, witness));
    if (at < 0) continue;
    const [witness] = known.splice(at, 1);
    found.push({ ...witness, at: await verifyCosignature(witness, line.signature, point) });
  }
  return found;
}

async function verifyCosignature(witness, signature, point) {
  if (signature.length !== 8 + COSIGNATURE_BYTES[witness.type])
    throw new Refused(`a cosignature of ${witness.name} has another length than its type`);
  const seconds = new DataView(signature.buffer, signature.byteOffset, 8).getBigUint64(0);
  if (seconds > TIMESTAMP_MAX)
    throw new Refused(`a cosignature of ${witness.name} from a time that cannot be`);
  const [made, message] = [signature.slice(8), cosignedMessage(witness, seconds, point)];
  const holds =
    witness.type === ED25519_COSIGNATURE
      ? await verifiesEd25519(witness.raw, made, message)
      : peers.verifyMlDsa44(made, message, witness.raw);
  if (!holds) throw new Refused(`bad cosignature of ${witness.name}`);
  return seconds;
}

function cosignedMessage(witness, seconds, point) {
  if (witness.type === ED25519_COSIGNATURE) return utf8(`cosignature/v1\ntime ${seconds}\n${point.text}`);
  const [name, origin] = [utf8(witness.name), utf8(point.origin)];
  const head = concat(utf8("subtree/v1\n\0"), Uint8Array.of(name.length), name, u64(seconds));
  return concat(head, Uint8Array.of(origin.length), origin, u64(0), u64(point.size), point.root);
}
