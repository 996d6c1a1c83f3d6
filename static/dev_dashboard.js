// The live part of the development provider's dashboard: new requests come in at the top, once a
// second while the page is looked at; what is armed, the tokens and the clock follow them.
// Rows are copies of <template> elements, filled by their data-cell names. Without this script
// everything on the page works, and a reload shows what is new.
"use strict";

(() => {
  const EVERY = 1000;
  const EVERY_WHEN_LOST = 5000;
  const FRESH = 4000;
  const MOST_ROWS = 100;
  const MOST_TOKENS = 40;
  const LONGEST_VALUE = 120;

  const live = document.querySelector("[data-live]");
  const rows = live.querySelector("[data-rows]");
  const state = live.querySelector("[data-live-state]");
  const pause = live.querySelector("[data-pause]");
  const lost = live.querySelector("[data-lost]");
  const announce = live.querySelector("[data-announce]");
  let last = Number(live.dataset.last);
  let paused = false;
  let asking = false;
  let timer = 0;

  // ---- the provider's clock ----

  const clock = document.querySelector("[data-clock]");
  const offset = document.querySelector("[data-offset]");
  let began = performance.now();
  let beganAt = Number(document.querySelector("[data-now]").dataset.now);
  const now = () => beganAt + Math.floor((performance.now() - began) / 1000);

  // 59:58, 11:59:58, 2 d 03:00:00; templates/_dev_parts.html says it the same way.
  function span(seconds) {
    const pad = (number) => String(number).padStart(2, "0");
    const [days, hours, minutes] = [seconds / 86400, (seconds / 3600) % 24, (seconds / 60) % 60].map(Math.floor);
    const rest = `${pad(minutes)}:${pad(seconds % 60)}`;
    if (days > 0) return `${days} d ${pad(hours)}:${rest}`;
    return hours > 0 ? `${hours}:${rest}` : `${minutes}:${pad(seconds % 60)}`;
  }

  function tick() {
    if (clock) clock.textContent = `${new Date(now() * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;
    document.querySelectorAll("[data-ends]").forEach((cell) => {
      const left = Number(cell.dataset.ends) - now();
      cell.textContent = left > 0 ? span(left) : "ended";
    });
  }

  function setClock(said) {
    [began, beganAt] = [performance.now(), Math.floor(said.now)];
    const moved = Math.trunc(said.offset);
    const words = `${span(Math.abs(moved))} ${moved > 0 ? "ahead of" : "behind"} this machine`;
    if (offset) offset.textContent = moved === 0 ? "the time of this machine" : words;
    tick();
  }

  // ---- building ----

  function copy(part) {
    const row = part.querySelector("template").content.firstElementChild.cloneNode(true);
    return { row, cell: (name) => row.querySelector(`[data-cell="${name}"]`) };
  }

  function element(name, text, className = "") {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function parameter([name, value]) {
    const made = document.createElement("code");
    const shown = value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE)}…` : value;
    made.append(element("span", `${name}=`), shown);
    return [made, " "];
  }

  function requestRow(entry) {
    const { row, cell } = copy(live);
    cell("time").textContent = entry.time.slice(11, 19);
    for (const name of ["method", "path", "client_id", "client_auth"]) cell(name).textContent = entry[name];
    cell("milliseconds").textContent = entry.milliseconds.toFixed(1);
    cell("failures").replaceChildren(...entry.failures.flatMap((name) => [element("span", name, "badge"), " "]));
    cell("said").replaceChildren(...Object.entries({ ...entry.query, ...entry.form }).flatMap(parameter));
    cell("status").dataset.hundreds = Math.floor(entry.status / 100);
    cell("status").replaceChildren(
      element("b", entry.status || "closed"), " ", element("span", [entry.answer.error, entry.answer.reason].filter(Boolean).join(" ")));
    return row;
  }

  const FILL = {
    responses: (part, rule) => {
      const { row, cell } = copy(part);
      for (const name of ["spec", "left", "endpoint"]) cell(name).textContent = rule[name];
      return row;
    },
    tokens: (part, token) => {
      const { row, cell } = copy(part);
      for (const name of ["fingerprint", "client_id", "scope"]) cell(name).textContent = token[name];
      cell("kind").textContent = token.kind.replace("_", " ");
      cell("sub").textContent = token.sub || "the client itself";
      cell("expires_at").dataset.ends = token.expires_at;
      return row;
    },
  };

  function showWhetherEmpty(part, count) {
    const table = part.querySelector("[data-table]");
    if (table) table.hidden = count === 0;
    part.querySelector("[data-empty]").hidden = count > 0;
  }

  // ---- asking ----

  async function ask(url) {
    const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return answer.json();
  }

  async function refresh(list) {
    const part = list.closest("section");
    const found = (await ask(list.dataset.url))[list.dataset.list].slice(0, MOST_TOKENS);
    list.replaceChildren(...found.map((one) => FILL[list.dataset.list](part, one)));
    showWhetherEmpty(part, found.length);
  }

  async function refreshTheRest() {
    await Promise.all([...document.querySelectorAll("[data-list]")].map(refresh));
    if (clock) setClock(await ask("clock"));
  }

  function show(entries) {
    const made = entries.map(requestRow).reverse();
    made.forEach((row) => row.classList.add("fresh"));
    rows.prepend(...made);
    while (rows.children.length > MOST_ROWS) rows.lastElementChild.remove();
    setTimeout(() => made.forEach((row) => row.classList.remove("fresh")), FRESH);
    showWhetherEmpty(live, rows.children.length);
    if (made.length) announceSoon(made.length);
  }

  // Once in five seconds at most: a program may ask a hundred times in one.
  let unsaid = 0;
  function announceSoon(count) {
    if (unsaid === 0) setTimeout(() => {
      announce.textContent = unsaid === 1 ? "One new request." : `${unsaid} new requests.`;
      unsaid = 0;
    }, 5000);
    unsaid += count;
  }

  async function poll() {
    const news = await ask(`${live.dataset.url}?after=${last}`);
    if (last && (news.last < last || news.kept < rows.children.length)) {  // forgotten elsewhere, or started again
      rows.replaceChildren();
      showWhetherEmpty(live, 0);
      last = 0;
      return poll();
    }
    if (!news.requests.length) return;
    show(news.requests.slice(-MOST_ROWS));
    last = news.last;
    await refreshTheRest();
  }

  async function turn() {
    clearTimeout(timer);
    if (paused || document.hidden || asking) return;
    asking = true;
    let wait = EVERY;
    try {
      await poll();
      lost.hidden = true;
      state.textContent = "Live";
    } catch (error) {
      wait = EVERY_WHEN_LOST;
      lost.hidden = false;
      lost.textContent = `The provider does not answer (${error.message}). This list waits for it.`;
      state.textContent = "Waiting";
    }
    asking = false;
    state.dataset.state = lost.hidden ? "live" : "waiting";
    if (!paused) timer = setTimeout(turn, wait);
  }

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    state.textContent = paused ? "Paused" : "Live";
    state.dataset.state = paused ? "paused" : "live";
    turn();
  });

  pause.hidden = state.hidden = false;
  state.textContent = "Live";
  state.dataset.state = "live";
  document.addEventListener("visibilitychange", turn);
  setInterval(tick, 1000);
  turn();
})();
