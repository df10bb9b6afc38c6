// From a photo or a camera frame to texts: the browser's own detector where there is one, else the bundled decoder.

const SIDE_MAX = 3800; // the decoder takes 3,840
const PHOTO_MS = 4000;
const FRAME_MS = 400;
const AVERAGED_PIXELS_MAX = 16_000_000; // after enlarging
const MODULE_DOTS = 3; // as our printers draw a module of a code
// Ways of looking at a picture, until both codes are found; the later ones are for photos only.
const VIEWS = [
  { scale: 1 },
  { scale: 1, blur: 1 },
  { scale: 0.5 },
  { scale: 2, blur: 1 },
  { scale: 4, average: true }, // a scan with many wrong dots
  { scale: 5, average: true },
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

function look(source, width, height, { scale, blur, average }) {
  const fit = Math.min(scale, SIDE_MAX / Math.max(width, height));
  const [wide, high] = [Math.round(width * fit), Math.round(height * fit)];
  if (average && (fit < 2 || wide * high > AVERAGED_PIXELS_MAX)) return null; // no scan: its dots are not the printer's
  const canvas = Object.assign(document.createElement("canvas"), { width: wide, height: high });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.filter = blur ? `blur(${blur}px)` : "none";
  context.imageSmoothingEnabled = !average; // enlarged dots stay dots
  context.drawImage(source, 0, 0, wide, high);
  const image = context.getImageData(0, 0, wide, high);
  return average ? averaged(image, Math.round((MODULE_DOTS * fit) / 2)) : image;
}

// Every point becomes the mean of all that are at most `reach` beside, above or below it: where that is a module, what most of
// its dots say. White is all around.
function averaged({ width, height, data }, reach) {
  const across = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const row = y * width;
    slide(width, reach, (x) => data[4 * (row + x) + 1], (x, mean) => (across[row + x] = mean));
  }
  const made = new ImageData(width, height);
  made.data.fill(255);
  for (let x = 0; x < width; x++)
    slide(height, reach, (y) => across[y * width + x], (y, mean) => {
      const at = 4 * (y * width + x);
      made.data[at] = made.data[at + 1] = made.data[at + 2] = mean;
    });
  return made;
}

function slide(length, reach, read, write) {
  const at = (place) => (place < 0 || place >= length ? 255 : read(place));
  let sum = 0;
  for (let place = -reach; place < reach; place++) sum += at(place);
  for (let place = 0; place < length; place++) {
    sum += at(place + reach);
    write(place, sum / (2 * reach + 1));
    sum -= at(place - reach);
  }
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
