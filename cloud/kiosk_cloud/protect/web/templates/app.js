"use strict";
// Progress of an upload and of a job. Without this file both work, only silently.
const upload = document.querySelector("form[data-upload]");
if (upload) {
  upload.addEventListener("submit", (event) => {
    event.preventDefault();
    const bar = upload.querySelector("progress"), words = upload.querySelector("[role=status]"), button = upload.querySelector("button");
    const request = new XMLHttpRequest();
    request.open("POST", upload.action);
    bar.hidden = false;
    button.disabled = true;
    request.upload.addEventListener("progress", (at) => {
      if (at.lengthComputable) { bar.max = at.total; bar.value = at.loaded; words.textContent = `${Math.floor(100 * at.loaded / at.total)} % sent`; }
    });
    request.addEventListener("load", () => {
      if (request.status < 400) { location.assign(request.responseURL); return; }
      const answer = new DOMParser().parseFromString(request.responseText, "text/html");
      words.textContent = answer.querySelector(".message")?.textContent ?? "The upload was refused.";
      bar.hidden = true; button.disabled = false;
    });
    request.addEventListener("error", () => { words.textContent = "The upload broke off. Try again."; bar.hidden = true; button.disabled = false; });
    request.send(new FormData(upload));
  });
}
const job = document.querySelector("[data-state]");
if (job) {
  const bar = job.querySelector("progress"), words = job.querySelector("[role=status]");
  const look = async () => {
    const answer = await fetch(job.dataset.state, { credentials: "same-origin" });
    if (!answer.ok) { location.reload(); return; }
    const at = await answer.json();
    if (at.state === "done" || at.state === "failed") { location.reload(); return; }
    bar.value = at.share;
    words.textContent = at.state === "queued" ? "Waiting for its turn" : `${at.rows.toLocaleString("en")} rows judged`;
    setTimeout(look, 1000);
  };
  setTimeout(look, 500);
}
