// Shows what the server drew and tells it what was touched. Holds no state: a reload shows the same screen. Only a
// server that began anew is told in which language, and how, the screen was shown to whoever stands before it.
"use strict";
(() => {
  const stage = document.getElementById("stage");
  const lost = document.getElementById("lost");
  const RETRY_MS = 500;
  const ALIVE_MS = 2000;
  let socket = null;
  let pressed = null; // what the finger went down on

  let voice = null; // what is being read aloud
  let said = ""; // the words that were read last, so that a clock that runs does not begin them anew

  // Read aloud by the server's own voice, for whoever asked for it; a new screen ends the old one's words.
  function speak() {
    const main = stage.firstElementChild;
    const wanted = main.classList.contains("speech");
    const words = wanted ? main.innerText : "";
    if (words === said) return;
    said = words;
    if (voice) voice.pause();
    voice = null;
    if (!wanted) return;
    voice = new Audio(`/speech?${Date.now()}`);
    voice.play().catch(() => { said = ""; }); // no loudspeaker, or nobody has touched anything yet
  }

  // Two notes when the time is nearly over, once for each time that it is.
  let warned = false;
  let sound = null;
  function warn() {
    const urgent = stage.querySelector(".more.urgent") !== null;
    if (urgent && !warned) {
      try {
        sound = sound || new AudioContext();
        for (const [pitch, after] of [[660, 0], [880, 0.35]]) {
          const tone = new OscillatorNode(sound, { frequency: pitch });
          const loud = new GainNode(sound, { gain: 0.2 });
          tone.connect(loud).connect(sound.destination);
          tone.start(sound.currentTime + after);
          tone.stop(sound.currentTime + after + 0.3);
        }
        document.body.dataset.warned = String(Number(document.body.dataset.warned || 0) + 1);
      } catch { /* no sound device: the picture and the words say the same */ }
    }
    warned = urgent;
  }

  const here = () => stage.firstElementChild.dataset.screen;

  function runBars() {
    for (const bar of stage.querySelectorAll(".bar")) {
      const left = Number(bar.dataset.leftS);
      const share = Math.min(left / Number(bar.dataset.totalS), 1);
      bar.firstElementChild.animate([{ transform: `scaleX(${share})` }, { transform: "scaleX(0)" }], {
        duration: Math.max(left, 0.1) * 1000,
        fill: "forwards",
      });
    }
  }

  function show(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    const next = holder.content.firstElementChild;
    // A screen that only changed its figures takes touches at once; a new one after a moment (see the style sheet),
    // so that a second tap on the old screen's button cannot land on the new screen's.
    next.classList.toggle("same", next.dataset.screen === here());
    const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.act : "";
    stage.replaceChildren(next);
    document.documentElement.lang = next.lang;
    const again = focused && next.querySelector(`[data-act="${CSS.escape(focused)}"]`);
    if (again) again.focus({ preventScroll: true });
    runBars();
    speak();
    warn();
  }

  function touch(act) {
    if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ screen: here(), act }));
  }

  function connect() {
    const { language } = stage.firstElementChild.dataset;
    const options = ["large", "contrast", "speech"].filter((one) => stage.firstElementChild.classList.contains(one));
    const shown = new URLSearchParams({ language, options: options.join(" ") });
    socket = new WebSocket(`ws://${location.host}/screen?${shown}`);
    socket.onmessage = (event) => { lost.hidden = true; show(event.data); };
    socket.onclose = () => { lost.hidden = false; setTimeout(connect, RETRY_MS); };
  }

  // What a button stands for now; nothing while it is disabled, or its screen too new (pointer-events: none).
  const meant = (button) =>
    button && !button.disabled && getComputedStyle(button).pointerEvents !== "none" ? button.dataset.act : null;
  const target = (event) => meant(document.elementFromPoint(event.clientX, event.clientY)?.closest("button[data-act]"));
  // Down and up on the same button is a touch, even when the screen was drawn anew in between.
  addEventListener("pointerdown", (event) => { document.body.classList.remove("keys"); pressed = { act: target(event), screen: here() }; });
  addEventListener("pointerup", (event) => {
    const act = target(event);
    if (act && pressed && pressed.act === act && pressed.screen === here()) touch(act);
    pressed = null;
  });
  addEventListener("click", (event) => {
    if (event.detail === 0) { // Enter or Space on a focused button, or a screen reader
      const act = meant(event.target.closest("button[data-act]"));
      if (act) touch(act);
    }
  });
  addEventListener("keydown", (event) => {
    if (event.repeat || document.activeElement.matches("button") && (event.key === "Enter" || event.key === " ")) return;
    document.body.classList.add("keys"); // from now on the buttons say which key does the same
    const button = stage.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!button) return;
    event.preventDefault();
    const act = meant(button);
    if (act) touch(act);
  });
  // The machine's own browser says that it still draws: a frame is asked for, and told of once there is one.
  if (location.hash === "#kiosk") setInterval(() => requestAnimationFrame(() => touch("alive")), ALIVE_MS);
  addEventListener("contextmenu", (event) => event.preventDefault());

  runBars();
  speak();
  connect();
})();
