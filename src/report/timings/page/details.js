// What is known of the selected test.

function slotNames(rows) {
  const names = rows.map((index) => {
    const row = data.rows[index];
    return row.kind === "slot" ? `${row.number + 1}` : `engine ${row.number + 1}`;
  });
  return names.join(", ");
}

/** The names and values about a bar. */
function factsOf(bar) {
  const test = data.tests[bar.test];
  const facts = [["Result", STATUS_WORDS[result(test)] + (test.leaked ? ", left processes behind" : "")]];
  const add = (name, value) => { if (value) facts.push([name, value]); };
  add("Duration", lasting(test.seconds));
  if (bar.status === "look") add("Second look", lasting(bar.end - bar.start));
  else if (test.attempts) add("Attempt", `${bar.attempt} of ${test.attempts}: ${STATUS_WORDS[bar.status]}, ${lasting(bar.program)}`);
  add("Started", `${lasting(bar.start)} after the start`);
  if (bar.ready !== undefined) add("Waited", lasting(Math.max(0, bar.start - bar.ready)));
  add("Slot", slotNames(bar.rows));
  if (test.usage) {
    add("CPU time", lasting(test.usage.user_seconds + test.usage.system_seconds));
    add("Memory", bytes(test.usage.max_rss));
  }
  add("Needs of the machine", (test.needs || []).join(", "));
  if (slower(test)) add("Compared with before", `${slower(test).toFixed(1)} times as long`);
  if (test.past) facts.push(["Earlier runs", sparkline(test)]);
  return facts;
}

function showDetails(timeline) {
  const box = at("details");
  box.hidden = view.selected === null;
  if (view.selected === null) {
    box.replaceChildren();
    return;
  }
  const bar = data.bars[view.selected], test = data.tests[bar.test];
  const zoom = () => {
    const length = Math.max(bar.end - bar.start, END / 1e6);
    timeline.show(bar.start - length / 4, bar.end + length / 4);
  };
  box.replaceChildren(element("div", {},
    element("div", { class: "top" },
      element("div", {},
        element("h3", {}, testTitle(test)),
        element("p", { class: "binary muted" }, binaryTitle(test.binary))),
      element("div", { class: "row" },
        element("button", { type: "button", onclick: zoom }, "Zoom"),
        element("button", { type: "button", onclick: () => showInTable(bar.test), class: "wide" }, "In the table"),
        element("button", { type: "button", "aria-label": "Close", onclick: () => { select(null); at("timeline").focus({ preventScroll: true }); } }, "\u2715"))),
    element("dl", {}, factsOf(bar).map(([name, value]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, value)))),
    test.reason ? element("pre", {}, test.reason) : null,
  ));
  at("spoken").textContent = tipOf(view.selected).join(": ");
}
