// The live countdown of the account page. Every [data-expires-at] element (epoch seconds)
// with [data-now] (the server's clock when it made the page) ticks down in place.
// Without this script the page still says the same, once.
"use strict";

(() => {
  const pad = (number) => String(number).padStart(2, "0");

  function compact(seconds) {
    const days = Math.floor(seconds / 86400);
    const hours = Math.floor(seconds / 3600) % 24;
    const minutes = Math.floor(seconds / 60) % 60;
    const rest = `${pad(minutes)}:${pad(seconds % 60)}`;
    if (days > 0) return `${days} ${days === 1 ? "day" : "days"} ${pad(hours)}:${rest}`;
    return hours > 0 ? `${hours}:${rest}` : `${minutes}:${pad(seconds % 60)}`;
  }

  // Only the time that has passed is measured here, so a wrong clock does no harm.
  // performance.now() may stand still while the machine sleeps and Date does not:
  // the larger of the two is taken, so the page never promises too much.
  const navigation = performance.getEntriesByType("navigation")[0];
  const began = (navigation && navigation.responseStart) || performance.now();
  const beganDate = Date.now() - (performance.now() - began);
  const passed = () => Math.max(performance.now() - began, Date.now() - beganDate) / 1000;

  function expire(clock, panel, announce) {
    clock.textContent = "expired";
    if (panel.dataset.state === "expired") return;
    panel.dataset.state = "expired";
    const status = panel.querySelector("[data-announce]");
    if (announce && status) status.textContent = "The access token has expired.";
  }

  function start(clock) {
    const ends = Number(clock.dataset.expiresAt);
    const now = Number(clock.dataset.now);
    if (!clock.dataset.expiresAt || !Number.isFinite(ends) || !Number.isFinite(now)) return;

    const panel = clock.closest("[data-state]") || clock;
    const life = panel.querySelector(".life");
    const bar = life && life.querySelector("progress");
    const whole = ends - Date.parse(clock.dataset.issued || "") / 1000;
    if (life && whole > 0) life.hidden = false;
    let timer = 0;

    function draw() {
      clearTimeout(timer);
      const left = ends - now - passed();
      if (bar && whole > 0) bar.value = Math.min(1, Math.max(0, left / whole));
      if (left <= 0) {
        expire(clock, panel, true);
        return;
      }
      clock.textContent = compact(Math.ceil(left));
      clock.dataset.ticking = left > 86400 ? "days" : "";
      const toNextSecond = (left - Math.ceil(left) + 1) * 1000;
      timer = setTimeout(draw, Math.max(20, toNextSecond));
    }

    draw();
    document.addEventListener("visibilitychange", draw);
    addEventListener("pageshow", draw);
  }

  document.querySelectorAll("[data-expires-at][data-now]").forEach(start);

  // A page out of the back/forward cache may be from before signing out: nothing of it is shown
  // before the server was asked again.
  addEventListener("pagehide", () => (document.body.hidden = true));
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
})();
