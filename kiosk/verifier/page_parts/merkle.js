// RFC 6962 hashing; inclusion proofs verified as RFC 9162 section 2.1.3.2 says.

const HASH_BYTES = 32;
const SIZE_MAX = 2n ** 63n - 1n;
const leafHash = (entry) => sha256(concat(Uint8Array.of(0), entry));
const nodeHash = (left, right) => sha256(concat(Uint8Array.of(1), left, right));

async function verifyInclusion(index, size, leaf, proof, root) {
  if (!(index >= 0n && index < size && size <= SIZE_MAX)) throw new Refused(`leaf ${index} is not in a tree of ${size}`);
  for (const one of [leaf, root, ...proof])
    if (one.length !== HASH_BYTES) throw new Refused(`a hash has 32 bytes, not ${one.length}`);
  let [position, last, node] = [index, size - 1n, leaf];
  for (const sibling of proof) {
    if (last === 0n) throw new Refused("inclusion proof is too long");
    if (position & 1n || position === last) {
      node = await nodeHash(sibling, node);
      while (!(position & 1n) && position) [position, last] = [position >> 1n, last >> 1n];
    } else node = await nodeHash(node, sibling);
    [position, last] = [position >> 1n, last >> 1n];
  }
  if (last || !same(node, root)) throw new Refused(`leaf ${index} is not shown to be in the tree of ${size}`);
}
