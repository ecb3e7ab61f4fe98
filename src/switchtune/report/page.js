"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

function makeFilter(field) {
  const query = field.querySelector("input"), found = field.querySelector(".found");
  const rows = all(`[data-filtered-by="${query.id}"] :is(tbody tr, article)`).map(row => {
    const words = row.matches("tr") ? all("bdi", row) : [];
    const text = words.length ? words.map(word => word.textContent).join("\n") : row.textContent;
    return [row, text.normalize("NFC").toLowerCase()];
  });
  field.hidden = false;
  query.addEventListener("input", () => {
    const wanted = query.value.trim().normalize("NFC").toLowerCase();
    let count = 0;
    for (const [row, text] of rows) {
      row.hidden = !text.includes(wanted);
      count += !row.hidden;
    }
    const number = value => value.toLocaleString("en");
    found.textContent = wanted && `${number(count)} of ${number(rows.length)} ${field.dataset.counted}`;
  });
}

function makeTabs(group) {
  const list = group.querySelector("[role=tablist]"), buttons = all("[role=tab]", list);
  const panels = buttons.map(button => document.getElementById(button.getAttribute("aria-controls")));
  const choose = chosen => buttons.forEach((button, place) => {
    button.setAttribute("aria-selected", place === chosen);
    button.tabIndex = place === chosen ? 0 : -1;
    panels[place].hidden = place !== chosen;
  });
  list.addEventListener("click", event => {
    const place = buttons.indexOf(event.target.closest("[role=tab]"));
    if (place >= 0) choose(place);
  });
  list.addEventListener("keydown", event => {
    const now = buttons.indexOf(document.activeElement), last = buttons.length - 1;
    const moves = { ArrowRight: now === last ? 0 : now + 1, ArrowLeft: now === 0 ? last : now - 1, Home: 0, End: last };
    if (!(event.key in moves)) return;
    event.preventDefault();
    choose(moves[event.key]);
    buttons[moves[event.key]].focus();
  });
  group.classList.add("tabbed");
  list.hidden = buttons.length > 8;
  if (list.hidden) {
    const choice = document.createElement("select");
    choice.setAttribute("aria-label", list.getAttribute("aria-label"));
    choice.append(...buttons.map(button => new Option(button.textContent)));
    choice.addEventListener("change", () => choose(choice.selectedIndex));
    list.before(choice);
  }
  choose(0);
}

function makeChart(chart) {
  const { series, ...box } = JSON.parse(chart.querySelector("script").textContent);
  const svg = chart.querySelector("svg"), readout = chart.querySelector(".readout");
  const lines = all(".series", svg), buttons = all(".legend button", chart), frame = svg.viewBox.baseVal;
  const cursor = svg.appendChild(document.createElementNS(svg.namespaceURI, "line"));
  const places = [...new Set(series.flatMap(each => each.x))].sort((a, b) => a - b);
  const hidden = new Set();
  let now = -1;

  cursor.setAttribute("class", "cursor");
  cursor.setAttribute("y1", (1 - box.top) * frame.height);
  cursor.setAttribute("y2", (1 - box.bottom) * frame.height);
  cursor.setAttribute("visibility", "hidden");
  svg.tabIndex = 0;

  const left = x => (box.left + (x - box.low) / (box.high - box.low) * (box.right - box.left)) * frame.width;
  const nearest = (xs, x) => xs.reduce((best, each, place) => Math.abs(each - x) < Math.abs(xs[best] - x) ? place : best, 0);
  const show = place => {
    now = place;
    const x = places[place];
    cursor.setAttribute("x1", left(x));
    cursor.setAttribute("x2", left(x));
    cursor.removeAttribute("visibility");
    const values = series.filter(each => !hidden.has(each.group) && each.x[0] <= x && x <= each.x.at(-1))
      .map(each => `${each.name} ${each.y[nearest(each.x, x)]}`);
    readout.textContent = `${box.axis} ${x.toLocaleString("en")}: ${values.join(", ") || "nothing shown"}`;
  };
  const point = event => {
    const drawn = svg.getBoundingClientRect(), x = (event.clientX - drawn.left) / drawn.width;
    show(nearest(places, box.low + (x - box.left) / (box.right - box.left) * (box.high - box.low)));
  };
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("keydown", event => {
    const last = places.length - 1;
    const moves = { ArrowRight: Math.min(now + 1, last), ArrowLeft: Math.max(now - 1, 0), Home: 0, End: last };
    if (!(event.key in moves)) return;
    event.preventDefault();
    show(moves[event.key]);
  });
  buttons.forEach(button => {
    button.disabled = false;
    button.addEventListener("click", () => {
      const group = Number(button.dataset.group), shown = hidden.delete(group);
      if (!shown) hidden.add(group);
      button.setAttribute("aria-pressed", shown);
      lines.filter(line => Number(line.dataset.group) === group).forEach(line => line.style.display = shown ? "" : "none");
      if (now >= 0) show(now);
    });
  });
}

// On a phone each row of a wide table is a block of its own, in which every cell has its head beside it.
function nameCells(table) {
  const heads = all("thead th", table).map(head => head.textContent);
  if (heads.length < 5 || table.closest(".forest")) return;
  table.classList.add("named");
  all("tbody tr", table).forEach(row => [...row.cells].forEach((cell, place) => cell.dataset.head = heads[place]));
}

all(".search").forEach(makeFilter);
all("table").forEach(nameCells);
all(".tabs").forEach(makeTabs);
all(".chart").forEach(makeChart);
