// The consent form's guard against double-click tricks: another window may be closed under
// the visitor's second click. A click that also brings this window back to the front, or
// follows within half a second, does not count.
"use strict";

(() => {
  const PAUSE = 500;
  let away = document.hidden;
  let back = -Infinity;

  function leave() {
    away = true;
  }

  // Only a return counts, so the first load of the page is never held up.
  function arrive() {
    if (!away) return;
    away = false;
    back = performance.now();
  }

  addEventListener("blur", leave);
  addEventListener("focus", arrive);
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : arrive()));

  document.querySelectorAll("form[data-consent]").forEach((form) => {
    const notice = form.querySelector("[data-notice]");
    form.addEventListener("submit", (event) => {
      if (performance.now() - back >= PAUSE) return;
      event.preventDefault();
      if (notice) notice.textContent = "This window had only just come to the front, so that click was not counted. Choose again.";
    });
  });
})();
