// Sends the answer to the application at once (OAuth 2.0 Form Post Response Mode).
"use strict";

// Not form.submit(): a field of the answer may have that name.
HTMLFormElement.prototype.submit.call(document.querySelector("form[data-send]"));
