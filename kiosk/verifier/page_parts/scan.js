// From a photo or a camera frame to texts: the browser's own detector where there is one, else the bundled decoder.

const SIDE_MAX = 3800; // the decoder takes 3,840
const PHOTO_MS = 4000;
const FRAME_MS = 400;
const MEDIAN_PIXELS_MAX = 1_500_000;
// Ways of looking at a picture, until both codes are found; the later ones are for photos only.
const VIEWS = [
  { scale: 1 },
  { scale: 1, blur: 1 },
  { scale: 0.5 },
  { scale: 2, blur: 1 },
  { scale: 1, median: true }, // wrong dots
];

// The texts of all QR codes in an image or video frame.
async function codesIn(source, width, height, milliseconds) {
  const found = new Set(await nativeCodes(source));
  for (const view of milliseconds >= PHOTO_MS ? VIEWS : VIEWS.slice(0, 1)) {
    if (found.size >= 2) break;
    const image = look(source, width, height, view);
    if (!image) continue;
    const [texts] = await peers.decodeQRBatch([image], { timeLimit: milliseconds, effort: 10 });
    for (const text of texts) if (typeof text === "string") found.add(text);
  }
  return [...found];
}

function look(source, width, height, { scale, blur, median }) {
  const fit = Math.min(scale, SIDE_MAX / Math.max(width, height));
  const [wide, high] = [Math.round(width * fit), Math.round(height * fit)];
  if (median && wide * high > MEDIAN_PIXELS_MAX) return null;
  const [canvas, context] = drawn(source, wide, high, blur ? `blur(${blur}px)` : "none");
  const image = context.getImageData(0, 0, wide, high);
  if (!median) return image;
  context.putImageData(medianOf(image), 0, 0);
  return drawn(canvas, 2 * wide, 2 * high, "none")[1].getImageData(0, 0, 2 * wide, 2 * high);
}

function drawn(source, wide, high, filter) {
  const canvas = Object.assign(document.createElement("canvas"), { width: wide, height: high });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.filter = filter;
  context.imageSmoothingEnabled = source.width !== wide / 2; // doubled dots stay dots
  context.drawImage(source, 0, 0, wide, high);
  return [canvas, context];
}

// Each dot becomes the middle one of its three by three neighbours; the rim becomes white.
function medianOf({ width, height, data }) {
  const made = new ImageData(width, height);
  made.data.fill(255);
  const around = new Uint8Array(9);
  for (let y = 1; y < height - 1; y++)
    for (let x = 1; x < width - 1; x++) {
      for (let k = 0; k < 9; k++) around[k] = data[4 * ((y + ((k / 3) | 0) - 1) * width + x + (k % 3) - 1) + 1];
      const at = 4 * (y * width + x);
      made.data[at] = made.data[at + 1] = made.data[at + 2] = around.sort()[4];
    }
  return made;
}

async function nativeCodes(source) {
  try {
    const formats = await globalThis.BarcodeDetector.getSupportedFormats();
    if (!formats.includes("qr_code")) return [];
    return (await new BarcodeDetector({ formats: ["qr_code"] }).detect(source)).map((code) => code.rawValue);
  } catch {
    return []; // most desktop browsers have none
  }
}

async function codesInPhoto(file) {
  const bitmap = await createImageBitmap(file);
  try {
    return await codesIn(bitmap, bitmap.width, bitmap.height, PHOTO_MS);
  } finally {
    bitmap.close();
  }
}

// Frames until `take(texts)` says that it has enough, or `stop()` is called.
class Camera {
  constructor(video, take) {
    this.video = video;
    this.take = take;
    this.stream = null;
  }

  async start() {
    const wanted = { facingMode: "environment", width: { ideal: 1920 }, height: { ideal: 1080 } };
    this.stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    this.video.srcObject = this.stream;
    await this.video.play();
    const { stream } = this;
    while (this.stream === stream) {
      const { videoWidth, videoHeight } = this.video;
      const texts = videoWidth ? await codesIn(this.video, videoWidth, videoHeight, FRAME_MS) : [];
      if (this.stream === stream && this.take(texts)) this.stop();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }
}
