// Goes on to the application once the frames have told the others, or after two seconds.
"use strict";

(() => {
  const link = document.querySelector("a[data-go-on]");
  let gone = false;

  function goOn() {
    if (gone) return;
    gone = true;
    location.replace(link.href);
  }

  // A page has loaded when its frames have.
  addEventListener("load", goOn);
  setTimeout(goOn, 2000);
})();
