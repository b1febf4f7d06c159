// The states of a diagram's nodes. Mermaid draws anew when the plan changes; a state only colours what is there.
window.matrioska = (() => {
  const states = new Map();

  function colour(element) {
    const wanted = states.get(element.id) || {};
    for (const node of element.querySelectorAll("g.node")) {
      const found = /flowchart-(m\d+)-\d+$/.exec(node.id);
      const state = found && wanted[found[1]];
      if (!state) continue;
      if (!node.hasAttribute("tabindex")) {
        node.setAttribute("tabindex", "0");
        node.setAttribute("role", "link");
        node.addEventListener("keydown", (event) => {
          if (event.key === "Enter") node.dispatchEvent(new MouseEvent("click", { bubbles: true }));
        });
      }
      if (node.dataset.state !== state.state) {
        node.dataset.state = state.state;
        node.setAttribute("aria-label", `${node.textContent.trim()}: ${state.word}`);
      }
    }
  }

  function paint(id, wanted) {
    states.set(id, wanted);
    const element = document.getElementById(id);
    if (!element) return;
    if (!element.dataset.watched) {
      element.dataset.watched = "yes";
      new MutationObserver(() => colour(element)).observe(element, { childList: true });
    }
    colour(element);
  }

  return { paint };
})();
