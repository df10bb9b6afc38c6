// A receipt held against a policy, step by step, as kiosk/verifier does it: sort the texts, then signed, logged, witnessed.

const PYTHON_SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/;

// The opening and the proof somewhere in what was scanned or pasted; `missing` and `twice` name what is wrong.
function sortTexts(text) {
  const parts = [[]];
  for (const line of text.replaceAll("\r\n", "\n").split("\n")) {
    if (line === OPENING_HEADER || line === PROOF_HEADER) parts.push([]);
    parts.at(-1).push(line);
  }
  const openings = new Set();
  const proofs = new Set();
  for (const lines of parts) {
    if (lines[0] === OPENING_HEADER) openings.add(lines.slice(0, 2).join("\n").replace(PYTHON_SPACE, ""));
    if (lines[0] === PROOF_HEADER) proofs.add(wholeProof(lines));
  }
  return { opening: only(openings), proof: only(proofs), openings: openings.size, proofs: proofs.size };
}

const only = (set) => (set.size === 1 ? [...set][0] : null);

// Up to the last signature line: what a scanner or an editor added behind it is not part of the note. A line that ends
// like a signature is taken for one however it begins, so that a spoilt one is refused, not left out.
function wholeProof(lines) {
  const last = lines.findLastIndex((line) => line.startsWith(DASH) || /[A-Za-z0-9+/=]{64,}$/.test(line));
  return last < 0 ? lines.join("\n") : `${lines.slice(0, last + 1).join("\n")}\n`;
}

async function checkReceipt(texts, policy) {
  const steps = [];
  let kiosk = "";
  let statement;
  try {
    kiosk = claimedKiosk(texts.opening);
    const keys = policy.keys.get(kiosk);
    if (!keys) throw new Refused(`the policy names no record key of ${kiosk}`);
    statement = await verifyStatement(texts.opening, kiosk, keys);
    if (!speaks(policy, statement.kid, statement.sequence, kiosk))
      throw new Refused(`key ${statement.kid.slice(0, 16)} does not speak for place ${statement.sequence} of the log`);
  } catch (error) {
    return refused(steps, kiosk, "signed", error);
  }
  steps.push({ step: "signed", holds: true, facts: { kiosk, at: statement.at } });
  let found;
  try {
    const origin = `deposit-kiosk/${kiosk}`;
    const logs = policy.logs.filter((each) => each.name === origin);
    if (!logs.length) throw new Refused(`the policy does not name the log ${origin}`);
    found = await verifyProof(texts.proof, statement.leaf, statement.sequence, logs, policy.witnesses.values());
    for (const log of found.point.signedBy) {
      const kid = hex(await sha256(concat(SPKI_ED25519, log.raw)));
      if (!speaks(policy, kid, found.point.size, kiosk))
        throw new Refused(`key ${kid.slice(0, 16)} does not speak for place ${found.point.size} of the log`);
    }
  } catch (error) {
    return refused(steps, kiosk, "logged", error);
  }
  steps.push({ step: "logged", holds: true, facts: { index: `${statement.sequence}`, size: `${found.point.size}` } });
  const witnessed = isWitnessed(policy, found.cosigned);
  const strangers = found.point.note.lines.filter((line) => !isKnown(line, found.logs, policy)).map((line) => line.name);
  if (!witnessed && policy.quorum !== "none" && strangers.length) {
    // A spoilt name or key id makes a witness a stranger, too: that must not turn *witnessed* into *provisional*.
    const names = strangers.join(", ");
    const step = { step: "known", holds: false, facts: { names }, reason: `the policy does not name ${names}` };
    return { verdict: "refused", kiosk, steps: [...steps, step], content: null };
  }
  const names = found.cosigned.map((each) => `${each.name} (${minuteOf(each.at)})`).join(", ");
  steps.push({ step: "witnessed", holds: witnessed, facts: { names, quorum: policy.quorum } });
  const verdict = witnessed ? "witnessed" : "provisional";
  return { verdict, kiosk, steps, content: statement.content, sequence: statement.sequence, at: statement.at };
}

const isKnown = (line, logs, policy) => [...logs, ...policy.witnesses.values()].some((key) => sameKey(line, key));

function refused(steps, kiosk, step, error) {
  if (!(error instanceof Refused)) throw error;
  return { verdict: "refused", kiosk, steps: [...steps, { step, holds: false, facts: {}, reason: error.message }], content: null };
}

function minuteOf(seconds) {
  const moment = new Date(Number(seconds) * 1000);
  const fits = seconds && !Number.isNaN(moment.getTime()) && moment.getUTCFullYear() <= 9999;
  return fits ? `${moment.toISOString().slice(0, 16).replace("T", " ")} UTC` : "?";
}
