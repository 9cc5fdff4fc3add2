// Keeps the live part of a page up to date. Without it the page is as it was when it was loaded.
"use strict";
const live = document.querySelector("[data-live]");
if (live) {
  let source;
  const watch = () => {
    source = new EventSource(live.dataset.live);
    source.addEventListener("page", (event) => { live.innerHTML = event.data; });
  };
  // Nobody looks at a hidden page.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { source.close(); } else if (source.readyState === EventSource.CLOSED) { watch(); }
  });
  watch();
}
// A list begins anew as soon as a filter is chosen.
for (const choice of document.querySelectorAll("form.filters select")) {
  choice.addEventListener("change", () => choice.form.requestSubmit());
}
