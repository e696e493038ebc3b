// The table of tests. Only the rows in sight are elements, so that any number of tests scrolls well.

const ROW = 46;

const started = (test) => {
  const bar = mainBar(test.index);
  return bar === null ? undefined : data.bars[bar].start;
};
const waited = (test) => {
  const first = barsOfTest[test.index].map((index) => data.bars[index]).find((bar) => bar.ready !== undefined);
  return first ? Math.max(0, first.start - first.ready) : undefined;
};
const cpu = (test) => test.usage && test.usage.user_seconds + test.usage.system_seconds;

data.tests.forEach((test, index) => { test.index = index; });

const ORDER = ["error", "failed", "timed-out", "flaky", "unfinished", "passed", "known", "ignored"];

const COLUMNS = [
  { title: "Result", width: "128px", narrow: "46px", key: (t) => ORDER.indexOf(result(t)) },
  { title: "Test", key: (t) => t.name },
  { title: "Duration", width: "112px", narrow: "88px", number: true, down: true, key: (t) => t.seconds },
  { title: "Earlier runs", width: "150px", wide: true, down: true, key: (t) => slower(t) || (t.past ? -1 : -2) },
  { title: "Started", width: "104px", wide: true, number: true, key: started },
  { title: "Waited", width: "104px", wide: true, number: true, down: true, key: waited },
  { title: "CPU", width: "104px", wide: true, number: true, down: true, key: cpu },
  { title: "Memory", width: "110px", wide: true, number: true, down: true, key: (t) => t.usage?.max_rss },
];

const CHIPS = [
  ["All", () => true],
  ["Failed", (t) => ["failed", "timed-out", "error"].includes(t.status)],
  ["Flaky", (t) => t.flaky],
  ["Run again", (t) => t.attempt > 1],
  ["Second look", (t) => barsOfTest[t.index].some((index) => data.bars[index].status === "look")],
  ["Slower than usual", (t) => slower(t) > 0],
  ["Left processes", (t) => t.leaked],
  ["Not finished", (t) => t.status === "unfinished"],
  ["Known", (t) => t.cached],
  ["Ignored", (t) => t.status === "ignored"],
];

class TestTable {
  constructor(timeline) {
    this.timeline = timeline;
    this.scroller = at("scroller");
    this.body = at("table").tBodies[0];
    this.chip = CHIPS[0];
    this.column = COLUMNS[2];
    this.down = true;
    this.first = -1;
    this.elements = new Map();
    this.makeHead();
    this.makeChips();
    let pending = false;
    this.scroller.addEventListener("scroll", () => {
      if (pending) return;
      pending = true;
      requestAnimationFrame(() => { pending = false; this.fill(); });
    }, { passive: true });
    new ResizeObserver(() => this.fill(true)).observe(this.scroller);
    view.listeners.push(() => this.fill(true));
    this.update();
  }

  makeHead() {
    const isNarrow = matchMedia("(max-width: 620px)");
    const row = element("tr", {}, COLUMNS.map((column) => {
      const heading = element("th", { scope: "col", class: `${column.number ? "number" : ""} ${column.wide ? "wide" : ""}` },
        element("button", { type: "button", onclick: () => this.sortBy(column) }, column.title));
      const size = () => { heading.style.width = (isNarrow.matches && column.narrow) || column.width || "auto"; };
      isNarrow.addEventListener("change", size);
      size();
      column.heading = heading;
      return heading;
    }));
    at("table").tHead.replaceChildren(row);
  }

  makeChips() {
    for (const chip of CHIPS) {
      const [title, filter] = chip;
      const number = data.tests.filter(filter).length;
      if (number === 0 && chip !== CHIPS[0]) continue;
      const button = element("button", { type: "button", "aria-pressed": chip === this.chip ? "true" : "false" },
        `${title} ${number.toLocaleString("en")}`);
      button.addEventListener("click", () => {
        this.chip = chip;
        for (const other of at("chips").children) other.setAttribute("aria-pressed", String(other === button));
        this.update();
      });
      at("chips").append(button);
    }
  }

  sortBy(column) {
    this.down = column === this.column ? !this.down : Boolean(column.down);
    this.column = column;
    this.update();
  }

  /** Selects and sorts the tests anew. */
  update() {
    for (const column of COLUMNS) {
      if (column === this.column) column.heading.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      else column.heading.removeAttribute("aria-sort");
    }
    const { key } = this.column;
    const isShown = (test) => this.chip[1](test) && (!view.matches || view.matches[test.index]);
    const keyed = data.tests.filter(isShown).map((test) => [key(test), test]);
    // Tests without a value come last, and equal ones by their place in the run.
    keyed.sort(([a, one], [b, other]) => {
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined) || one.index - other.index;
      const order = a < b ? -1 : a > b ? 1 : 0;
      return (this.down ? -order : order) || one.index - other.index;
    });
    this.rows = keyed.map(([, test]) => test);
    at("table").setAttribute("aria-rowcount", this.rows.length + 1);
    at("shown").textContent = this.rows.length === data.tests.length
      ? count(data.tests.length, "test", "tests")
      : `${this.rows.length.toLocaleString("en")} of ${count(data.tests.length, "test", "tests")}`;
    this.scroller.scrollTop = 0;
    this.fill(true);
  }

  /** Makes elements of the rows in sight, and of some above and below. Rows that were in sight stay. */
  fill(anew = false) {
    const { scroller, rows } = this;
    const inSight = Math.ceil(scroller.clientHeight / ROW) + 1;
    const first = Math.max(0, Math.min(Math.floor(scroller.scrollTop / ROW), rows.length - inSight) - 6);
    const last = Math.min(rows.length, first + inSight + 12);
    if (!anew && Math.abs(first - this.first) < 4) return;
    this.first = first;
    const focused = document.activeElement?.closest?.("tr")?.dataset.test;
    const before = anew ? new Map() : this.elements;
    this.elements = new Map();
    for (let index = first; index < last; index++) {
      this.elements.set(index, before.get(index) ?? this.row(rows[index], index));
    }
    const space = (number) => element("tr", { class: "space", "aria-hidden": "true" },
      element("td", { style: { height: `${number * ROW}px` } }));
    const shown = [...this.elements.values()];
    if (rows.length === 0) {
      const columns = COLUMNS.filter((column) => column.heading.offsetWidth > 0).length;
      shown.push(element("tr", {}, element("td", { colspan: columns, class: "empty muted" },
        data.tests.length === 0 ? "There were no tests." : "No test matches.")));
    }
    if (first > 0) shown.unshift(space(first));
    if (last < rows.length) shown.push(space(rows.length - last));
    this.body.replaceChildren(...shown);
    if (focused !== undefined) this.body.querySelector(`tr[data-test="${focused}"] button`)?.focus({ preventScroll: true });
  }

  row(test, index) {
    const kind = result(test);
    const isSelected = view.selected !== null && data.bars[view.selected].test === test.index;
    const seconds = kind === "ignored" || test.seconds === undefined ? "" : lasting(test.seconds);
    const cell = (content, attributes = {}) => element("td", attributes, content);
    const name = element("button", { type: "button", class: "link name", title: testTitle(test),
      onclick: () => this.timeline.choose(mainBar(test.index)) }, testTitle(test));
    const past = [sparkline(test)];
    if (slower(test)) past.push(element("span", { class: "more" }, ` \u00d7${slower(test).toFixed(slower(test) < 10 ? 1 : 0)}`));
    const tries = test.attempt > 1 ? ` (${test.attempt})` : "";
    return element("tr", { "aria-rowindex": index + 2, "data-test": test.index, class: isSelected ? "selected" : "" },
      cell(element("span", { class: `result ${kind}`, title: STATUS_WORDS[kind] },
        element("span", { "aria-hidden": "true" }, STATUS_SIGNS[kind]),
        element("span", { class: "word" }, STATUS_WORDS[kind] + tries))),
      cell([name, element("span", { class: "binary muted" }, binaryTitle(test.binary))]),
      cell(seconds, { class: "number", "data-seconds": test.seconds }),
      cell(past, { class: "wide", title: past[0].getAttribute("aria-label") }),
      cell(lasting(started(test)), { class: "number wide" }),
      cell(lasting(waited(test)), { class: "number wide" }),
      cell(lasting(cpu(test)), { class: "number wide" }),
      cell(test.usage ? bytes(test.usage.max_rss) : "", { class: "number wide" }));
  }

  /** Scrolls to a test, whatever was searched or chosen before. */
  find(test) {
    let place = this.rows.findIndex((row) => row.index === test);
    if (place < 0) {
      at("chips").firstElementChild.click();
      if (view.matches && !view.matches[test]) search("");
      place = this.rows.findIndex((row) => row.index === test);
    }
    at("tests").scrollIntoView({ block: "nearest" });
    this.scroller.scrollTop = place * ROW - this.scroller.clientHeight / 2;
    this.fill(true);
    this.body.querySelector(`tr[data-test="${test}"] button`)?.focus({ preventScroll: true });
  }
}
