// The page itself. Nothing that was scanned leaves it; text is only ever set as text.

const WORDS = JSON.parse(document.getElementById("words").textContent);
const POLICY = JSON.parse(document.getElementById("policy").textContent); // base64, or null
const by = (id) => document.getElementById(id);
const state = { language: firstLanguage(), policy: null, scanned: new Map(), checked: null, said: null };
const camera = new Camera(by("video"), takeScanned);

function firstLanguage() {
  const wanted = navigator.languages.map((each) => each.slice(0, 2));
  return wanted.find((each) => each in WORDS) ?? "en";
}

const say = (key, facts = {}) =>
  WORDS[state.language][key].replace(/\{(\w+)\}/g, (_, name) => String(facts[name] || WORDS[state.language].nobody));

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function amount(minor) {
  const digits = String(minor).padStart(3, "0");
  return `${digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, ",")}.${digits.slice(-2)}`;
}

// --- what is shown --------------------------------------------------------------------------------

function draw() {
  document.documentElement.lang = state.language;
  document.title = say("page_title");
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = say(each.dataset.word);
  for (const each of document.querySelectorAll("[data-language]"))
    each.setAttribute("aria-pressed", String(each.dataset.language === state.language));
  by("policy-is").textContent = state.policy ? say("policy", { sha256: state.policy.sha256 }) : say("page_no_policy");
  by("pasted").placeholder = say("page_paste_hint");
  drawSaid();
  drawResult();
}

function drawSaid() {
  const said = by("said");
  said.hidden = !state.said;
  said.textContent = state.said ? say(...state.said) : "";
}

function drawResult() {
  const result = by("result");
  const { checked } = state;
  result.replaceChildren();
  result.hidden = !checked;
  document.body.dataset.verdict = checked ? checked.verdict : "";
  if (!checked) return;
  result.append(element("p", say(`verdict_${checked.verdict}`), `verdict ${checked.verdict}`));
  const steps = document.createElement("ol");
  for (const step of checked.steps) {
    const words = say(`${step.step}_${step.holds ? "yes" : "no"}`, { ...step.facts, reason: step.reason });
    steps.append(element("li", words, step.holds ? "holds" : step.step === "witnessed" ? "open" : "fails"));
  }
  result.append(steps);
  if (checked.content) result.append(...statement(checked));
}

function statement(checked) {
  const value = (name) => checked.content.get(name);
  const facts = { sequence: `${checked.sequence}`, kiosk: checked.kiosk, at: checked.at, deposit: hex(value("deposit_id")) };
  const list = document.createElement("dl");
  const row = (name, text) => list.append(element("dt", say(name)), element("dd", text));
  row("account", value("account_masked"));
  if (value("bundle")) row("bundle", value("bundle"));
  for (const [currency, sums] of [...value("sums")].sort())
    for (const claim of CLAIMS) if (sums.get(claim) > 0) row(claim, `${currency} ${amount(sums.get(claim))}`);
  const parts = [element("p", say("receipt", facts)), list];
  if (value("disputed_unvalued") > 0) parts.push(element("p", say("unvalued", { n: `${value("disputed_unvalued")}` })));
  return parts;
}

// --- what people do --------------------------------------------------------------------------------

function complain(key, facts) {
  [state.said, state.checked] = [[key, facts], null];
  draw();
}

async function checkText(text) {
  const texts = sortTexts(text);
  if (texts.openings > 1 || texts.proofs > 1) return complain("page_two_receipts");
  if (!texts.openings || !texts.proofs) return complain(texts.openings ? "page_need_second" : texts.proofs ? "page_need_first" : "page_need_both");
  if (!state.policy) return complain("page_no_policy");
  const checked = await checkReceipt(texts, state.policy);
  [state.checked, state.said] = [checked, null];
  draw();
  by("result").scrollIntoView();
}

// Codes seen so far; true once both are there.
function takeScanned(texts) {
  for (const text of texts) {
    const { opening, proof } = sortTexts(text);
    if (opening) state.scanned.set("opening", opening);
    if (proof) state.scanned.set("proof", proof);
  }
  by("seen-first").classList.toggle("seen", state.scanned.has("opening"));
  by("seen-second").classList.toggle("seen", state.scanned.has("proof"));
  if (state.scanned.size < 2) return false;
  const whole = `${state.scanned.get("opening")}\n${state.scanned.get("proof")}`;
  state.scanned.clear();
  by("camera").hidden = true;
  void checkText(whole);
  return true;
}

async function scan() {
  state.scanned.clear();
  [state.said, state.checked] = [null, null];
  draw();
  by("camera").hidden = false;
  takeScanned([]);
  try {
    await camera.start();
  } catch {
    by("camera").hidden = true;
    complain("page_no_camera");
  }
}

function stopScan() {
  camera.stop();
  by("camera").hidden = true;
}

async function photos(files) {
  const texts = [];
  complain("page_looking");
  for (const file of files) {
    try {
      texts.push(...(await codesInPhoto(file)));
    } catch {
      return complain("page_no_picture");
    }
  }
  await checkText(texts.join("\n"));
}

async function usePolicy(bytes) {
  try {
    state.policy = await parsePolicy(bytes);
    [state.said, state.checked] = [null, null];
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return complain("page_bad_policy", { reason: error.message });
  }
  draw();
}

async function fetchPolicy() {
  try {
    const answer = await fetch("policy.txt", { cache: "no-store", redirect: "error" });
    if (!answer.ok) throw new Error(String(answer.status));
    await usePolicy(new Uint8Array(await answer.arrayBuffer()));
  } catch {
    complain("page_no_fetch");
  }
}

async function start() {
  for (const each of document.querySelectorAll("[data-language]"))
    each.addEventListener("click", () => {
      state.language = each.dataset.language;
      draw();
    });
  by("scan").addEventListener("click", scan);
  by("stop").addEventListener("click", stopScan);
  by("photo").addEventListener("change", async (event) => {
    await photos([...event.target.files]);
    event.target.value = "";
  });
  by("check").addEventListener("click", () => checkText(by("pasted").value));
  by("policy-file").addEventListener("change", async (event) => usePolicy(new Uint8Array(await event.target.files[0].arrayBuffer())));
  by("policy-fetch").addEventListener("click", fetchPolicy);
  by("policy-fetch").hidden = !location.protocol.startsWith("http");
  if (POLICY !== null) await usePolicy(decodeBase64(POLICY));
  draw();
  document.body.dataset.ready = "yes";
}

// The same check without the page around it, for whoever wants to call it.
globalThis.kioskVerify = {
  async check(text, policy) {
    const texts = sortTexts(text);
    if (texts.openings !== 1 || texts.proofs !== 1) return { verdict: "unreadable", steps: [] };
    const { verdict, steps } = await checkReceipt(texts, await parsePolicy(policy));
    return { verdict, steps };
  },
};

void start();
