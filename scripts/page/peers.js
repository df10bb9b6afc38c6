// What the page uses of them, under one global name; everything else is left out by the bundler.
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";
import { decodeQRBatch } from "qr/decode.js";

globalThis.peers = {
  decodeQRBatch,
  verifyMlDsa44: (signature, message, publicKey) => ml_dsa44.verify(signature, message, publicKey),
};
