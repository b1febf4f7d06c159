// The diagram of a plan: the states of its nodes, and how large it is drawn.
// Mermaid draws anew when the plan changes; a state only colours what is there, and a size only stretches it.
window.matrioska = (() => {
  // Sizes are shares of the natural one. What is smaller than legible is shown to those who ask for it only.
  const LEGIBLE = 0.65, SMALLEST = 0.1, LARGEST = 2;
  const AT_WORK = '[data-state="agreeing"], [data-state="producing"], [data-state="mending"]';
  const states = new Map();
  const chosen = new Map();

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

  function drawn(element) {
    const svg = element.querySelector("svg");
    const box = svg && svg.viewBox.baseVal;
    return box && box.width && element.clientWidth ? { svg, box } : null;
  }

  // A person's choice holds; else as much as fits in width and can be read.
  function stretch(element) {
    const found = drawn(element);
    if (!found) return;
    const fitting = Math.min(1, Math.max(LEGIBLE, element.clientWidth / found.box.width));
    found.svg.style.width = `${found.box.width * (chosen.get(element.id) || fitting)}px`;
    if (!element.dataset.placed && element.querySelector("g.node")) {
      element.dataset.placed = "yes";
      place(element, element.querySelector(AT_WORK) || element.querySelector("g.node"));
    }
  }

  // Scrolls the diagram alone, never the page.
  function place(element, node) {
    const frame = element.getBoundingClientRect(), at = node.getBoundingClientRect();
    element.scrollLeft += at.left - frame.left - Math.max(16, (frame.width - at.width) / 2);
    element.scrollTop += at.top - frame.top - (frame.height - at.height) / 2;
  }

  // Makes a diagram so many times as large as it is; 0 shows the whole of it.
  function zoom(id, times) {
    const element = document.getElementById(id);
    const found = element && drawn(element);
    if (!found) return;
    const whole = Math.min(1, element.clientWidth / found.box.width, element.clientHeight / found.box.height);
    const before = found.svg.getBoundingClientRect().width / found.box.width;
    const after = times ? Math.min(LARGEST, Math.max(SMALLEST, before * times)) : whole;
    const middle = [element.scrollLeft + element.clientWidth / 2, element.scrollTop + element.clientHeight / 2];
    chosen.set(id, after);
    stretch(element);
    element.scrollLeft = (middle[0] * after) / before - element.clientWidth / 2;
    element.scrollTop = (middle[1] * after) / before - element.clientHeight / 2;
  }

  function show(element) {
    colour(element);
    stretch(element);
  }

  function paint(id, wanted) {
    states.set(id, wanted);
    const element = document.getElementById(id);
    if (!element) return;
    if (!element.dataset.watched) {
      element.dataset.watched = "yes";
      new MutationObserver(() => show(element)).observe(element, { childList: true });
      new ResizeObserver(() => stretch(element)).observe(element);
    }
    show(element);
  }

  return { paint, zoom };
})();
