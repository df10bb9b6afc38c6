// C2SP tlog-policy, as kiosk/guarantee/policy.py reads it: logs, witnesses, groups, quorum, and our record keys.

const POLICY_BYTES_MAX = 256 * 1024;
const ENTRIES_MAX = 128;

async function parsePolicy(bytes) {
  if (bytes.length > POLICY_BYTES_MAX) throw new Refused(`a policy of ${bytes.length} bytes, at most ${POLICY_BYTES_MAX}`);
  if (bytes.some((byte) => (byte < 32 && byte !== 9 && byte !== 10) || byte === 127))
    throw new Refused("a policy file holds no control characters but tab and newline");
  const policy = { sha256: hex(await sha256(bytes)), logs: [], closed: [], witnesses: new Map(), groups: new Map(), keys: new Map(), ranges: new Map(), quorum: "" };
  const members = new Set();
  const lines = fromUtf8(bytes).split("\n");
  for (const [number, line] of lines.entries()) {
    try {
      await policyLine(policy, members, line.replace(/^[ \t]+|[ \t]+$/g, ""));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      throw new Refused(`policy line ${number + 1}: ${error.message}`);
    }
  }
  if (!policy.quorum) throw new Refused("the policy has no quorum line");
  policy.logs.push(...policy.closed);
  return policy;
}

async function policyLine(policy, members, line) {
  if (line.startsWith("#")) return policyComment(policy, line.slice(1).trim().split(/\s+/));
  const words = line.split(/[ \t]+/).filter((word) => word);
  const [kind, ...rest] = words;
  if (kind === undefined) return;
  if (kind === "log" && (rest.length === 1 || rest.length === 2)) {
    const log = await parseVkey(rest[0], [ED25519_LOG]);
    if (policy.logs.some((other) => same(other.raw, log.raw))) throw new Refused("a log with the same key is there already");
    bounded(policy.logs.length);
    policy.logs.push(log);
  } else if (kind === "witness" && (rest.length === 2 || rest.length === 3)) {
    const witness = await parseVkey(rest[1], [ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE]);
    newName(policy, rest[0]);
    if ([...policy.witnesses.values()].some((other) => same(other.raw, witness.raw)))
      throw new Refused("a witness with the same key is there already");
    bounded(policy.witnesses.size);
    policy.witnesses.set(rest[0], witness);
  } else if (kind === "group" && rest.length >= 2) policyGroup(policy, members, rest);
  else if (kind === "quorum" && rest.length === 1 && !policy.quorum) {
    if (rest[0] !== "none") knownName(policy, rest[0]);
    policy.quorum = rest[0];
  } else throw new Refused(`'${kind}' is not understood here, or stands twice`);
}

function policyGroup(policy, taken, [name, needed, ...members]) {
  newName(policy, name);
  for (const member of members) {
    knownName(policy, member);
    if (taken.has(member) || members.filter((other) => other === member).length > 1)
      throw new Refused(`${member} is a member twice`);
  }
  const count = needed === "all" ? members.length : needed === "any" ? 1 : /^[0-9]+$/.test(needed) ? Number(needed) : -1;
  if (!(count >= 1 && count <= members.length)) throw new Refused(`a group of ${members.length} cannot need ${needed}`);
  bounded(policy.groups.size);
  for (const member of members) taken.add(member);
  policy.groups.set(name, { needed: count, members });
}

// A range that is not understood is refused: skipping it would let a key speak for ever.
function policyRange(policy, words) {
  const [kid, first, end, log] = words;
  const place = (word) => /^(?:0|[1-9][0-9]{0,15})$/.test(word ?? "");
  if (words.length !== 4 || !/^[0-9a-f]{64}$/.test(kid) || !place(first) || !(end === "-" || place(end)))
    throw new Refused("a key-range is a kid in hex, first place, end or -, and the log; one of each");
  if (policy.ranges.has(`${kid} ${log}`)) throw new Refused("a second range of the same key");
  bounded(policy.ranges.size);
  policy.ranges.set(`${kid} ${log}`, { first: BigInt(first), end: end === "-" ? null : BigInt(end) });
}

// A log that another epoch has closed: the same key may sign the later one, too.
async function policyClosed(policy, vkey) {
  const log = await parseVkey(vkey, [ED25519_LOG]);
  if (policy.closed.some((other) => other.name === log.name && same(other.raw, log.raw)))
    throw new Refused("this key of this closed log is there already");
  bounded(policy.closed.length);
  policy.closed.push(log);
}

// Whether the key `kid` speaks for this leaf, or tree size, of a log; one without a range there always does.
function speaks(policy, kid, place, log) {
  const range = policy.ranges.get(`${kid} ${log}`);
  return !range || (range.first <= place && (range.end === null || place < range.end));
}

async function policyComment(policy, words) {
  if (words[0] === "key-range") return policyRange(policy, words.slice(1));
  if (words[0] === "closed-log" && words.length === 2) return policyClosed(policy, words[1]);
  if (words.length !== 3 || words[0] !== "record-key") return;
  const key = await recordKey(decodeBase64(words[2]));
  if (!policy.keys.has(words[1])) {
    bounded(policy.keys.size);
    policy.keys.set(words[1], new Map());
  }
  policy.keys.get(words[1]).set(key.kid, key);
}

function bounded(count) {
  if (count >= ENTRIES_MAX) throw new Refused(`more than ${ENTRIES_MAX} entries of a kind`);
}

function newName(policy, name) {
  if (name === "none" || policy.witnesses.has(name) || policy.groups.has(name))
    throw new Refused(`the name ${name} cannot be given again`);
}

function knownName(policy, name) {
  if (!policy.witnesses.has(name) && !policy.groups.has(name)) throw new Refused(`${name} is not defined above`);
}

// Whether these cosignatures are a quorum; with the quorum "none" nothing ever is: nobody was asked.
function isWitnessed(policy, cosigned) {
  const signed = new Set();
  for (const [name, witness] of policy.witnesses)
    if (cosigned.some((each) => sameKey(each, witness) && each.type === witness.type)) signed.add(name);
  const holds = (name) => {
    const group = policy.groups.get(name);
    return group ? group.members.filter(holds).length >= group.needed : signed.has(name);
  };
  return policy.quorum !== "none" && holds(policy.quorum);
}
