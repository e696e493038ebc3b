// Numbers as text, and elements.

const data = JSON.parse(document.getElementById("data").textContent);

const MINUS = "\u2212";

/** A duration: `0.4 ms`, `12 ms`, `1.23 s`, `12.3 s`, `2 min 05 s`. */
function lasting(seconds) {
  if (seconds === undefined || seconds === null) return "";
  const sign = seconds < 0 ? MINUS : "";
  const s = Math.abs(seconds), ms = s * 1000;
  const two = (n) => String(n).padStart(2, "0");
  if (s === 0) return "0";
  if (ms < 9.95) return `${sign}${ms.toFixed(1)}\u00a0ms`;
  if (ms < 999.5) return `${sign}${ms.toFixed(0)}\u00a0ms`;
  if (s < 9.995) return `${sign}${s.toFixed(2)}\u00a0s`;
  if (s < 59.95) return `${sign}${s.toFixed(1)}\u00a0s`;
  const whole = Math.round(s);
  if (whole < 3600) return `${sign}${Math.floor(whole / 60)}\u00a0min ${two(whole % 60)}\u00a0s`;
  return `${sign}${Math.floor(whole / 3600)}\u00a0h ${two(Math.floor(whole / 60) % 60)}\u00a0min`;
}

/** A point of time since the start of the run, for an axis with steps of this size. */
function moment(seconds, step) {
  const digits = step >= 1 ? 0 : Math.min(6, Math.ceil(-Math.log10(step) - 1e-9));
  if (seconds < 60 || step < 1) return `${seconds.toFixed(digits)} s`;
  const whole = Math.round(seconds), minutes = Math.floor(whole / 60);
  const rest = String(whole % 60).padStart(2, "0");
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

function bytes(count) {
  if (count < 1024) return `${count} B`;
  let value = count / 1024;
  const units = ["KiB", "MiB", "GiB"];
  while (value >= 1024 && units.length > 1) { value /= 1024; units.shift(); }
  return `${value.toFixed(value < 100 ? 1 : 0)}\u00a0${units[0]}`;
}

function count(number, one, several) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : several}`;
}

function percent(part, whole) {
  if (!(whole > 0)) return "0\u00a0%";
  const value = (part / whole) * 100;
  return `${value > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)}\u00a0%`;
}

/** An element with attributes and children. Text is always text, never HTML. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") made.className = value;
    else if (key === "style") for (const [k, v] of Object.entries(value)) made.style.setProperty(k, v);
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

const at = (id) => document.getElementById(id);

function binaryTitle(index) {
  const { package: owner, kind, target } = data.binaries[index];
  return `${owner} ${kind}/${target}`;
}

function testTitle(test) {
  return test.repeat ? `${test.name} (repetition ${test.repeat})` : test.name;
}

const STATUS_WORDS = {
  passed: "passed", failed: "failed", "timed-out": "timed out", error: "error", ignored: "ignored",
  unfinished: "not finished", look: "second look", flaky: "flaky", known: "known to pass",
};

/** Signs for those who do not tell the colours apart. */
const STATUS_SIGNS = {
  passed: "\u2713", failed: "\u2715", "timed-out": "\u29D6", error: "!", ignored: "\u2013",
  unfinished: "\u2026", look: "\u25CE", flaky: "\u223F", known: "=",
};

/** How a test counts in the table: a flaky test is told from one that passed at once. */
function result(test) {
  if (test.cached) return "known";
  if (test.flaky) return "flaky";
  return test.status;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** How much longer than usual a test took, if that is worth a remark. */
function slower(test) {
  if (!test.past || test.cached || !(test.seconds > 0)) return 0;
  const usual = median(test.past);
  return test.seconds >= 2 * usual && test.seconds >= usual + 0.3 ? test.seconds / usual : 0;
}

/** The earlier durations of a test and this one, as small bars. */
function sparkline(test) {
  const values = [...(test.past || [])];
  const svg = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const runs = test.seconds !== undefined && !test.cached && test.status !== "ignored";
  if (values.length === 0) return element("span", { class: "muted" }, runs ? "new" : "");
  const label = `Earlier: ${values.map(lasting).join(", ")}${runs ? `; now ${lasting(test.seconds)}` : ""}`;
  if (runs) values.push(test.seconds);
  const height = 22, most = Math.max(...values, 1e-6);
  const bars = { earlier: "", now: "" };
  values.forEach((value, index) => {
    const h = Math.max(1.5, (value / most) * (height - 2));
    const x = (6 - values.length + index) * 8;
    bars[runs && index === values.length - 1 ? "now" : "earlier"] += `M${x} ${height}v${-h.toFixed(1)}h6V${height}z`;
  });
  const picture = svg("svg", { class: "spark", width: 6 * 8, height, role: "img", "aria-label": label });
  picture.append(svg("path", { d: bars.earlier, fill: "var(--list)" }));
  if (runs) picture.append(svg("path", { d: bars.now, fill: `var(--${test.status in COLOURS ? test.status : "passed"})` }));
  return picture;
}

const COLOURS = {
  passed: 1, failed: 1, "timed-out": 1, error: 1, look: 1, unfinished: 1, ignored: 1,
};
