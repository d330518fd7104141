(() => {
  // What a mark is, beside the pointer.
  const tip = document.getElementById("tip");
  const show = (event) => {
    const mark = event.target.closest && event.target.closest("[aria-label][role='graphics-symbol'], [data-tip]");
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.dataset.tip || mark.getAttribute("aria-label");
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
    tip.style.top = `${event.clientY + height + 24 > innerHeight ? event.clientY - height - 12 : event.clientY + 18}px`;
  };
  document.addEventListener("pointermove", show, { passive: true });
  document.addEventListener("pointerdown", show, { passive: true });
  document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true, capture: true });

  // Light or dark, whatever the system says.
  const root = document.documentElement;
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const toggle = document.getElementById("theme");
  const say = () => { toggle.textContent = dark() ? "Light" : "Dark"; };
  toggle.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; say(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", say);
  toggle.hidden = false;
  say();

  // Code to copy; a page from a file may not have the clipboard, so what it cannot copy it marks.
  for (const button of document.querySelectorAll(".code button")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("pre");
      try { await navigator.clipboard.writeText(code.textContent); button.textContent = "Copied"; }
      catch { getSelection().selectAllChildren(code); button.textContent = "Marked"; }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  // Tables by any column.
  for (const head of document.querySelectorAll("th[data-sort]")) {
    head.tabIndex = 0;
    const sort = () => {
      const up = head.getAttribute("aria-sort") === "descending";
      for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const place = head.cellIndex, body = head.closest("table").tBodies[0];
      const value = (row) => row.cells[place].dataset.value ?? row.cells[place].textContent;
      const less = (a, b) => (head.dataset.sort === "number" ? Number(a) - Number(b) : a.localeCompare(b));
      body.append(...[...body.rows].sort((a, b) => (up ? 1 : -1) * less(value(a), value(b))));
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); } });
  }
})();
