// Deterministic CBOR (RFC 8949 section 4.2.1), our profile: one value has one encoding, anything else is refused.
// Maps become Map, integers beyond 2^53 become BigInt. No tags, no floats: nothing that a receipt says needs one.

const DEPTH_MAX = 16;
const HEAD_SIZES = { 24: 1, 25: 2, 26: 4, 27: 8 };
const NOT_OURS = "not CBOR of our profile";

class CborReader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  take(count) {
    if (this.at + count > this.bytes.length) throw new Refused(`${NOT_OURS}: it ends too early`);
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  // Major type and argument, in the shortest form.
  head() {
    const [first] = this.take(1);
    const [major, low] = [first >> 5, first & 31];
    if (low < 24) return [major, low];
    const size = HEAD_SIZES[low];
    if (size === undefined || major === 7) throw new Refused(`${NOT_OURS}: indefinite, reserved or a float`);
    let value = 0n;
    for (const byte of this.take(size)) value = (value << 8n) | BigInt(byte);
    const least = size === 1 ? 24n : 1n << BigInt(4 * size);
    if (value < least) throw new Refused("CBOR is not in its deterministic form (trailing bytes, key order or a longer form)");
    return [major, value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value];
  }

  count(argument, least) {
    if (typeof argument === "bigint" || argument * least > this.bytes.length - this.at)
      throw new Refused(`${NOT_OURS}: it ends too early`);
    return argument;
  }

  value(depth) {
    const [major, argument] = this.head();
    switch (major) {
      case 0:
        return argument;
      case 1: {
        const negative = -1n - BigInt(argument);
        return negative >= -BigInt(Number.MAX_SAFE_INTEGER) ? Number(negative) : negative;
      }
      case 2:
        return this.take(this.count(argument, 1)).slice();
      case 3:
        return fromUtf8(this.take(this.count(argument, 1)));
      case 4:
      case 5:
        if (depth === 0) throw new Refused(`${NOT_OURS}: more than ${DEPTH_MAX} levels`);
        return major === 4 ? this.array(this.count(argument, 1), depth - 1) : this.map(this.count(argument, 2), depth - 1);
      case 7:
        if (argument >= 20 && argument <= 22) return [false, true, null][argument - 20];
    }
    throw new Refused(`${NOT_OURS}: tags and special values`);
  }

  array(count, depth) {
    return Array.from({ length: count }, () => this.value(depth));
  }

  map(count, depth) {
    const found = new Map();
    let before = null;
    let kind = null;
    for (let number = 0; number < count; number++) {
      const start = this.at;
      const key = this.value(0);
      const encoded = this.bytes.subarray(start, this.at);
      const keyKind = typeof key === "bigint" ? "number" : typeof key;
      const wrong = keyKind === "number" ? key < 0 : keyKind !== "string";
      if (wrong || (kind !== null && keyKind !== kind))
        throw new Refused(`${NOT_OURS}: map keys must be all text or all unsigned integers`);
      if (before !== null && !(compareBytes(before, encoded) < 0))
        throw new Refused("CBOR is not in its deterministic form (trailing bytes, key order or a longer form)");
      [before, kind] = [encoded, keyKind];
      found.set(key, this.value(depth));
    }
    return found;
  }
}

function compareBytes(one, other) {
  for (let at = 0; at < Math.min(one.length, other.length); at++) if (one[at] !== other[at]) return one[at] - other[at];
  return one.length - other.length;
}

function cborDecode(bytes, bytesMax) {
  if (bytes.length > bytesMax) throw new Refused(`CBOR of ${bytes.length} bytes where at most ${bytesMax} are allowed`);
  const reader = new CborReader(bytes);
  const value = reader.value(DEPTH_MAX);
  if (reader.at !== bytes.length)
    throw new Refused("CBOR is not in its deterministic form (trailing bytes, key order or a longer form)");
  return value;
}

function cborHead(major, count) {
  if (count < 24) return Uint8Array.of((major << 5) | count);
  if (count < 256) return Uint8Array.of((major << 5) | 24, count);
  if (count < 65536) return Uint8Array.of((major << 5) | 25, count >> 8, count & 255);
  if (count < 2 ** 32) return Uint8Array.of((major << 5) | 26, ...u64(count).subarray(4));
  return Uint8Array.of((major << 5) | 27, ...u64(count));
}

// Unsigned integers, texts, byte strings and arrays: all that is ever hashed or signed here.
function cborEncode(value) {
  if (Array.isArray(value)) return concat(cborHead(4, value.length), ...value.map(cborEncode));
  if (value instanceof Uint8Array) return concat(cborHead(2, value.length), value);
  if (typeof value === "string") {
    const bytes = utf8(value);
    return concat(cborHead(3, bytes.length), bytes);
  }
  return cborHead(0, value);
}
