// Every journey works without this file.
"use strict";

(() => {
  const all = (selector) => document.querySelectorAll(selector);
  const typing = () => [...all("input.code")].some((field) => field.value);

  // Times come in UTC, and are shown in the reader's own zone and manner.
  const today = new Date().toDateString();
  for (const time of all("time[datetime]")) {
    const moment = new Date(time.dateTime);
    const style = moment.toDateString() === today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
    time.textContent = new Intl.DateTimeFormat(document.documentElement.lang, style).format(moment);
  }

  // The wait for another code: every second for eyes, every fifteen for ears.
  for (const place of all("[data-again]")) {
    const { again, left, now } = place.dataset;
    const from = performance.now() + again * 1000;
    const [shown, read] = [document.createElement("span"), document.createElement("span")];
    shown.ariaHidden = "true";
    read.className = "unseen";
    place.replaceChildren(shown, read);
    const tick = () => {
      const rest = Math.max(0, Math.ceil((from - performance.now()) / 1000));
      const clock = `${Math.floor(rest / 60)}:${String(rest % 60).padStart(2, "0")}`;
      shown.textContent = rest ? left.replace("{}", clock) : now;
      if (rest % 15 === 0 || !read.textContent) read.textContent = shown.textContent;
      if (rest) setTimeout(tick, 1000);
    };
    tick();
  }

  // Buttons that need a script stay hidden until there is one.
  for (const button of all("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      const parts = [...source.querySelectorAll("code")].map((code) => code.textContent);
      await navigator.clipboard.writeText(parts.length ? parts.join("\n") : source.textContent);
      button.textContent = button.dataset.done;
    });
  }

  for (const button of all("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }

  for (const button of all("[data-reveal]")) {
    const field = document.getElementById(button.dataset.reveal);
    button.hidden = false;
    button.addEventListener("click", () => {
      field.type = field.type === "password" ? "text" : "password";
      const label = button.textContent;
      button.textContent = button.dataset.other;
      button.dataset.other = label;
      field.focus();
    });
    field.form.addEventListener("submit", () => { field.type = "password"; });
  }

  // An example of the country that is chosen.
  for (const shown of all("[data-example-of]")) {
    const select = document.getElementById(shown.dataset.exampleOf);
    const tell = () => { shown.textContent = select.selectedOptions[0].dataset.example || ""; };
    select?.addEventListener("change", tell);
  }

  // Back shows no stale code.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const field of all("input[autocomplete=one-time-code], input[type=password]")) field.value = "";
  });

  // What another device decides is asked for again, unless somebody is typing.
  const asks = document.querySelector("button[data-asks]");
  if (asks) {
    setTimeout(() => { if (!typing()) asks.click(); }, 2000);
  }

  // A confirmation in one tab moves the others on.
  const channel = new BroadcastChannel("stepgate");
  if (document.querySelector("[data-confirmed]")) channel.postMessage("confirmed");
  if (document.querySelector("form[data-waits]")) {
    channel.addEventListener("message", () => { if (!typing()) window.location.replace(window.location.href); });
  }
})();
