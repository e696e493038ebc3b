// The parts of the page.

/** A sentence whose names of tests select them. */
function sentence(segments, timeline) {
  return segments.map((segment) => {
    if (typeof segment === "string") return segment;
    if (segment.code !== undefined) return element("code", {}, segment.code);
    return testLink(segment.test, timeline);
  });
}

function testLink(index, timeline) {
  const choose = () => {
    timeline.choose(mainBar(index));
    at("timeline-card").scrollIntoView({ block: "start" });
  };
  return element("button", { type: "button", class: "link", onclick: choose }, testTitle(data.tests[index]));
}

function verdict() {
  const counts = data.counts;
  if (!counts) return ["odd", "The run ended with an error"];
  const bad = [["failed", counts.failed], ["timed out", counts.timed_out], ["not run", counts.not_run]];
  const words = [];
  if (counts.passed > 0) words.push(`${counts.passed.toLocaleString("en")} passed`);
  for (const [word, number] of bad) if (number > 0) words.push(`${number.toLocaleString("en")} ${word}`);
  if (counts.errors > 0) words.push(count(counts.errors, "error", "errors"));
  if (counts.ignored > 0) words.push(`${counts.ignored.toLocaleString("en")} ignored`);
  if (data.cancelled) words.push(data.cancelled);
  const isBad = counts.failed + counts.timed_out + counts.errors > 0 || (data.build && !data.build.success && data.cancelled);
  const kind = isBad ? "bad" : data.cancelled || words.length === 0 ? "odd" : "good";
  return [kind, words.join(", ") || "No tests"];
}

function showHeader() {
  const [kind, text] = verdict();
  at("verdict").classList.add(kind);
  at("verdict").textContent = text;
  const start = new Date(data.started);
  const when = start.toLocaleString(undefined, { dateStyle: "long", timeStyle: "short" });
  const facts = [when, count(data.tests.length, "test", "tests")];
  const slots = data.rows.filter((row) => row.kind === "slot").length;
  const engine = data.rows.length - slots;
  if (engine > 0) facts.push(`up to ${engine} at once on the engine`);
  else facts.push(count(slots, "slot", "slots"));
  at("facts").textContent = facts.join(" \u00b7 ");
  if (data.divided) at("facts").append(element("br"), data.divided);
  at("made").textContent = `Made by ${data.program}. All times are in this file; nothing is loaded from elsewhere.`;
}

function tile(what, value, note, part) {
  return element("div", { class: "tile" },
    element("div", { class: "what" }, what),
    element("div", { class: "value" }, value),
    part === undefined ? null : element("div", { class: "meter", role: "presentation" },
      element("i", { style: { width: `${Math.min(100, part * 100)}%` } })),
    element("div", { class: "note" }, note));
}

function showTiles() {
  const { times, build } = data;
  const tiles = [tile("Whole run", lasting(data.seconds), "from start to end")];
  if (build) tiles.push(tile("Build", lasting(build.seconds), build.success ? `${percent(build.seconds, data.seconds)} of the run` : "failed"));
  if (times) {
    const span = times.end - times.start;
    tiles.push(
      tile("Tests", lasting(span), "from the first start to the last end"),
      tile("Least possible", lasting(times.ideal), `the tests reached ${percent(times.ideal, span)} of that pace`, times.ideal / span),
      tile("Work", lasting(times.work), `tests ran ${(times.work / Math.max(span, 1e-9)).toFixed(1)} at once on average`));
  }
  at("tiles").replaceChildren(...tiles);
}

function share(title, parts) {
  const whole = parts.reduce((sum, part) => sum + part.seconds, 0);
  const shown = parts.filter((part) => part.seconds > whole / 1000);
  return element("div", { class: "share" },
    element("h3", {}, title),
    element("div", { class: "bar", "aria-hidden": "true" }, shown.map((part) => element("i", {
      class: part.hatched ? "hatched" : "",
      style: { background: part.hatched ? "" : `var(--${part.colour})`, "background-color": `var(--${part.colour})`, flex: `${part.seconds} 0 0` },
    }))),
    element("dl", {}, shown.map((part) => [
      element("i", { class: `swatch ${part.hatched ? "hatched" : ""}`, "aria-hidden": "true", style: { "background-color": `var(--${part.colour})` } }),
      element("dt", {}, element("span", {}, part.name)),
      element("dd", {}, lasting(part.seconds)),
      element("dd", { class: "muted" }, percent(part.seconds, whole)),
    ])));
}

function showFindings(timeline) {
  at("findings").replaceChildren(...data.findings.map((finding) =>
    element("li", {},
      element("span", { class: "about" }, finding.about),
      element("span", {}, sentence(finding.text, timeline)))));
  const { times, build } = data;
  if (!times) {
    at("findings-card").hidden = data.findings.length === 0;
    return;
  }
  const built = build ? build.end : 0;
  const beside = Math.max(0, Math.min(built, times.end) - times.start);
  at("shares").replaceChildren(
    share("The time of the run", [
      { name: build ? "Build and lists, before tests" : "Before tests", seconds: times.start, colour: "build" },
      { name: "Tests beside the build", seconds: beside, colour: "passed", hatched: true },
      { name: "Tests", seconds: times.end - times.start - beside, colour: "passed" },
      { name: "After the last test", seconds: Math.max(0, data.seconds - times.end), colour: "list" },
    ]),
    share("The time of the slots, from the first test to the last", [
      { name: "Programs of tests", seconds: times.work, colour: "passed" },
      { name: "Containers, outputs", seconds: times.overhead, colour: "build" },
      { name: "Second looks", seconds: times.looks, colour: "look", hatched: true },
      { name: "Free: tests not ready yet", seconds: times.unready, colour: "timed-out" },
      { name: "Free: tests waited for other things", seconds: times.blocked, colour: "error" },
      { name: "Free: no tests left", seconds: times.left, colour: "list" },
    ]));
}

function showLegend() {
  const words = {
    passed: "passed", failed: "failed", "timed-out": "timed out", error: "could not run",
    look: "second look", unfinished: "not finished",
  };
  const seen = new Set(data.bars.map((bar) => bar.status));
  at("legend").replaceChildren(...Object.keys(words).filter((status) => seen.has(status)).map((status) =>
    element("span", {}, element("i", {
      class: `swatch ${status === "look" ? "hatched" : ""}`,
      style: { "background-color": `var(--${status})` },
    }), words[status])));
}

function showChain(timeline) {
  at("chain-card").hidden = data.chain.length === 0;
  const end = Math.max(...data.chain.map((step) => step.end), 1e-9);
  const colours = { build: "build", list: "list", test: "passed", tests: "passed", wait: "unfinished" };
  at("chain").replaceChildren(...data.chain.map((step) => {
    const status = step.step === "test" ? (step.look ? "look" : data.tests[step.test].status) : null;
    const text = {
      build: () => ["cargo build, until the binary of the next step was built"],
      list: () => [
        data.binaries[step.binary].kind === "doctest" ? "compiling and listing " : "container and list of tests of ",
        binaryTitle(step.binary),
      ],
      test: () => [step.look ? "second look at " : "", testLink(step.test, timeline)],
      tests: () => [`${count(step.count, "short test", "short tests")} on the same slot`],
      wait: () => ["a wait of ", testLink(step.test, timeline), ", such as the delay before a further attempt"],
    }[step.step]();
    return element("li", {},
      element("span", { class: "time" }, lasting(step.end - step.start)),
      element("span", {}, text),
      element("span", { class: "track", "aria-hidden": "true" }, element("i", { style: {
        left: `${(step.start / end) * 100}%`, width: `${((step.end - step.start) / end) * 100}%`,
        background: `var(--${status && status in COLOURS ? status : colours[step.step]})`,
      } })));
  }));
}

function showBinaries() {
  at("binaries-card").hidden = data.binaries.length === 0;
  const work = data.binaries.map(() => ({ seconds: 0, tests: 0 }));
  for (const test of data.tests) {
    work[test.binary].tests += 1;
    work[test.binary].seconds += test.seconds || 0;
  }
  const columns = [
    ["Binary", "auto", ""], ["Selected", "100px", "number"], ["Of", "90px", "number wide"],
    ["Built at", "110px", "number wide"], ["Listed at", "110px", "number wide"], ["Tests together", "130px", "number"],
  ];
  at("binaries").tHead.replaceChildren(element("tr", {}, columns.map(([title, width, kind]) =>
    element("th", { scope: "col", class: kind, style: { width } }, element("span", {}, title)))));
  const all = data.binaries.map((binary, index) => ({ binary, index, ...work[index] }));
  const rows = all.filter(({ binary, tests }) => tests > 0 || binary.count > 0 || binary.error);
  rows.sort((a, b) => b.seconds - a.seconds);
  at("binaries").tBodies[0].replaceChildren(...rows.map(({ binary, index, seconds, tests }) => element("tr", {},
    element("td", { title: binary.error ?? binaryTitle(index) }, binaryTitle(index), binary.error ? element("span", { class: "more" }, " could not be listed") : ""),
    element("td", { class: "number" }, tests.toLocaleString("en")),
    element("td", { class: "number wide" }, binary.count.toLocaleString("en")),
    element("td", { class: "number wide" }, lasting(binary.built)),
    element("td", { class: "number wide" }, lasting(binary.listed)),
    element("td", { class: "number" }, lasting(seconds)))));
  const empty = all.length - rows.length;
  at("empty-binaries").hidden = empty === 0;
  at("empty-binaries").textContent = `${empty} more without tests`;
}

/** Marks the tests whose name or binary has all words. */
function search(text) {
  if (at("search").value !== text) at("search").value = text;
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) {
    view.matches = null;
    at("found").textContent = "";
  } else {
    view.matches = data.tests.map((test) => {
      const name = `${binaryTitle(test.binary)} ${test.name}`.toLowerCase();
      return words.every((word) => name.includes(word));
    });
    const found = view.matches.filter(Boolean).length;
    const seconds = data.tests.reduce((sum, test, index) => sum + (view.matches[index] ? test.seconds || 0 : 0), 0);
    at("found").textContent = `${count(found, "test", "tests")} found, ${lasting(seconds)} together`;
  }
  table.update();
  timeline.schedule();
}

function showInTable(test) {
  table.find(test);
}

document.querySelector("main").hidden = false;
showHeader();
showTiles();
showLegend();
const timeline = new Timeline(at("timeline"), at("overview"), at("tip"));
const table = new TestTable(timeline);
view.listeners.push(() => showDetails(timeline));
showFindings(timeline);
showChain(timeline);
showBinaries();
at("timeline").setAttribute("aria-label",
  `${count(data.bars.length, "run", "runs")} of tests on ${count(data.rows.length, "slot", "slots")} over ${lasting(END)}`);
at("timeline-card").hidden = data.bars.length === 0 && !data.build && binaryBars.length === 0;
at("search").addEventListener("input", (event) => search(event.target.value));
at("zoom-in").addEventListener("click", () => timeline.zoom(0.5, timeline.middle()));
at("zoom-out").addEventListener("click", () => timeline.zoom(2, timeline.middle()));
at("zoom-tests").hidden = !data.times;
at("zoom-tests").addEventListener("click", () => timeline.showTests());
at("zoom-all").addEventListener("click", () => timeline.show(0, END));
