// C2SP cosignatures of type 0x06 with @noble/post-quantum's ML-DSA-44; the signed message is put together here from the
// specification. {"note", "vkey"} -> the POSIX second of the cosignature.
import { createHash } from "node:crypto";
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";
import { bytes, serve } from "./lines.mjs";

function judge({ note, vkey }) {
  const [, name, id, encoded] = /^([^+]+)\+([^+]+)\+(.+)$/.exec(vkey);
  const key = bytes(encoded);
  const named = createHash("sha256").update(`${name}\n`).update(key).digest().subarray(0, 4);
  if (key[0] !== 6 || named.toString("hex") !== id) throw new Error("not a vkey of type 06");
  const whole = new TextDecoder("utf-8", { fatal: true }).decode(bytes(note));
  const at = whole.lastIndexOf("\n\n");
  const [origin, size, root] = whole.slice(0, at).split("\n");
  const line = whole.slice(at + 2).split("\n").map((one) => one.split(" ")).find(([dash, who, raw]) =>
    dash === "\u2014" && who === name && bytes(raw).subarray(0, 4).equals(named));
  if (line === undefined) throw new Error("this cosigner has not signed");
  const signature = bytes(line[2]).subarray(4);
  const short = (word) => Buffer.concat([Buffer.from([Buffer.byteLength(word)]), Buffer.from(word)]);
  const long = (number) => { const raw = Buffer.alloc(8); raw.writeBigUInt64BE(BigInt(number)); return raw; };
  const time = signature.subarray(0, 8);
  const tree = [long(0), long(size), bytes(root)];
  const message = Buffer.concat([Buffer.from("subtree/v1\n\0"), short(name), time, short(origin), ...tree]);
  if (!ml_dsa44.verify(signature.subarray(8), message, key.subarray(1))) throw new Error("bad signature");
  return Number(time.readBigUInt64BE());
}

await serve(judge);
