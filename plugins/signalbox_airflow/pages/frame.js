
"use strict";
// Airflow shows these pages in a frame that may not open other pages in its place. A link to one of
// Airflow's own pages is therefore followed from Airflow's side.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[target=_top]");
  if (!link || window === window.top) return;
  event.preventDefault();
  const outside = window.top.document.createElement("a");
  outside.href = link.href;
  window.top.document.body.append(outside);
  outside.click();
  outside.remove();
});
