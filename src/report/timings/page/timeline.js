// The timeline: slots over time on a canvas, which zooms and moves, and the overview above it.

/** What the page selects and searches. Changes are told to `listeners`. */
const view = { selected: null, matches: null, listeners: [] };

function select(bar) {
  view.selected = bar;
  for (const listener of view.listeners) listener();
}

/** The bars of each test, and the bars of each row in their order. */
const barsOfTest = data.tests.map(() => []);
const barsOfRow = data.rows.map(() => []);
data.bars.forEach((bar, index) => {
  barsOfTest[bar.test].push(index);
  for (const row of bar.rows) barsOfRow[row].push(index);
});

/** The bar that stands for a test: that of its last attempt. */
function mainBar(test) {
  const runs = barsOfTest[test].filter((index) => data.bars[index].status !== "look");
  return runs.length > 0 ? runs[runs.length - 1] : null;
}

const END = Math.max(data.end, data.seconds, 1e-6);

/** Binaries in as few lanes as possible. */
const BINARY_LANES = 10;
const binaryBars = [];
let binaryLanes = 0;
{
  const free = [];
  data.binaries.forEach((binary, index) => {
    const start = binary.built ?? binary.listing;
    if (start === undefined) return;
    const end = binary.listed ?? END;
    let lane = free.findIndex((time) => time <= start);
    if (lane < 0) lane = Math.min(free.length, BINARY_LANES - 1);
    free[lane] = Math.max(free[lane] ?? 0, end + END / 400);
    binaryBars.push({ index, lane, start, listing: binary.listing ?? start, end });
  });
  binaryLanes = free.length;
}

/** How many tests run and how many wait, as steps: `[time, running, waiting]`. */
function concurrency() {
  const changes = [];
  for (const bar of data.bars) {
    changes.push([bar.start, bar.rows.length, 0], [bar.end, -bar.rows.length, 0]);
    if (bar.ready !== undefined && bar.ready < bar.start) {
      changes.push([bar.ready, 0, 1], [bar.start, 0, -1]);
    }
  }
  changes.sort((a, b) => a[0] - b[0]);
  const steps = [[0, 0, 0]];
  for (const [time, running, waiting] of changes) {
    const last = steps[steps.length - 1];
    const step = [time, last[1] + running, last[2] + waiting];
    if (last[0] === time) steps[steps.length - 1] = step;
    else steps.push(step);
  }
  return steps;
}

class Timeline {
  constructor(place, overview, tip) {
    this.place = place;
    this.canvas = place.querySelector("canvas");
    this.overview = overview;
    this.tip = tip;
    this.from = 0;
    this.to = END;
    this.hovered = null;
    this.pending = false;
    this.steps = concurrency();
    const redraw = () => this.schedule();
    new ResizeObserver(redraw).observe(place);
    for (const query of ["(prefers-color-scheme: dark)", "(resolution: 1dppx)"]) {
      matchMedia(query).addEventListener("change", () => { this.colours = null; redraw(); });
    }
    view.listeners.push(redraw);
    this.listen();
    // Of a run that mostly built, the timeline would have nothing to tell.
    if (data.times && data.times.end - data.times.start < END / 3) this.showTests();
    this.draw();
  }

  schedule() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => { this.pending = false; this.draw(); });
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    const names = ["card", "ink", "muted", "line", "faint", "accent", "on-bar", "build", "list", ...Object.keys(COLOURS)];
    this.colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }

  /** The places of everything, in CSS pixels. */
  layOut() {
    const width = this.place.clientWidth;
    const isNarrow = width < 560;
    const rows = data.rows.length;
    const height = rows <= 12 ? 26 : rows <= 32 ? 18 : rows <= 96 ? 12 : Math.max(2, Math.min(8, 2400 / rows));
    let y = 26;
    const build = data.build ? { y, height: 18 } : null;
    if (build) y += 22;
    const binaries = binaryLanes > 0 ? { y, height: binaryLanes <= 3 ? 12 : 8 } : null;
    if (binaries) y += binaryLanes * (binaries.height + 2) + 8;
    const slots = { y, height };
    y += rows * height;
    return { width, height: Math.max(y + 6, 60), gutter: isNarrow ? 58 : 92, isNarrow, build, binaries, slots };
  }

  x(time) {
    const { width, gutter } = this.layout;
    return gutter + ((time - this.from) / (this.to - this.from)) * (width - gutter);
  }

  time(x) {
    const { width, gutter } = this.layout;
    return this.from + ((x - gutter) / (width - gutter)) * (this.to - this.from);
  }

  context(canvas, width, height) {
    const scale = window.devicePixelRatio || 1;
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
  }

  draw() {
    if (!this.colours) this.readColours();
    const place = (this.layout = this.layOut());
    const c = this.context(this.canvas, place.width, place.height);
    this.font = getComputedStyle(document.body).fontFamily;
    this.drawAxis(c);
    c.save();
    c.beginPath();
    c.rect(place.gutter, 0, place.width - place.gutter, place.height);
    c.clip();
    this.drawPreparation(c);
    this.drawBars(c);
    c.restore();
    this.drawLabels(c);
    this.drawOverview();
    this.place.dataset.from = this.from;
    this.place.dataset.to = this.to;
  }

  drawAxis(c) {
    const { width, height, gutter, slots } = this.layout;
    const span = this.to - this.from;
    const rough = (span * 90) / (width - gutter);
    const power = 10 ** Math.floor(Math.log10(rough));
    let step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
    for (const clock of [15, 30, 60, 120, 300, 600, 900, 1800, 3600]) {
      if (rough > 10 && clock >= rough) { step = clock; break; }
    }
    c.font = `11.5px ${this.font}`;
    c.textBaseline = "middle";
    c.textAlign = "left";
    for (let index = Math.ceil(this.from / step); index * step <= this.to; index++) {
      const x = this.x(index * step);
      c.fillStyle = this.colours.line;
      c.fillRect(Math.round(x), 18, 1, height - 18);
      const text = moment(index * step, step);
      if (x + c.measureText(text).width + 4 < width) {
        c.fillStyle = this.colours.muted;
        c.fillText(text, Math.round(x) + 1, 9);
      }
    }
    // A thin line below each row that is high enough.
    if (slots.height >= 12) {
      c.fillStyle = this.colours.faint;
      data.rows.forEach((_, row) => c.fillRect(gutter, slots.y + row * slots.height + slots.height - 1, width - gutter, 1));
    }
  }

  drawPreparation(c) {
    const { build, binaries } = this.layout;
    if (build) {
      const [x, end] = [this.x(data.build.start), this.x(data.build.end)];
      c.fillStyle = data.build.success ? this.colours.build : this.colours.failed;
      c.fillRect(x, build.y, Math.max(2, end - x), build.height);
      this.text(c, `cargo build ${lasting(data.build.seconds)}`, x, end, build.y + build.height / 2, 12);
    }
    for (const bar of binaryBars) {
      const y = binaries.y + bar.lane * (binaries.height + 2);
      const [x, listing, end] = [this.x(bar.start), this.x(bar.listing), this.x(bar.end)];
      c.fillStyle = this.colours.list;
      c.globalAlpha = 0.55;
      c.fillRect(x, y, Math.max(1.5, listing - x), binaries.height);
      c.globalAlpha = 1;
      c.fillRect(listing, y, Math.max(1.5, end - listing), binaries.height);
    }
  }

  drawBars(c) {
    const { slots } = this.layout;
    const inset = slots.height >= 12 ? 2 : slots.height >= 5 ? 1 : 0;
    const height = slots.height - inset - (slots.height >= 5 ? 1 : 0);
    const later = [];
    const fill = (bar, row, x, end, gap) => {
      const y = slots.y + row * slots.height + inset;
      c.fillStyle = this.colours[bar.status] ?? this.colours.unfinished;
      c.fillRect(x, y, Math.max(1, end - x - gap), height);
      if (bar.status === "look" && height >= 6) {
        this.hatch(c, x, y, end - x - gap, height);
      }
    };
    const dimmed = (bar) => view.matches && !view.matches[bar.test];
    for (let row = 0; row < barsOfRow.length; row++) {
      const bars = barsOfRow[row];
      let drawnTo = -1;
      for (let i = this.firstEndingAfter(bars, this.from); i < bars.length; i++) {
        const bar = data.bars[bars[i]];
        if (bar.start > this.to) break;
        const [x, end] = [this.x(bar.start), this.x(bar.end)];
        const isNotable = bar.status !== "passed" || (view.matches && view.matches[bar.test]);
        if (isNotable) { later.push([bar, row, x, end]); continue; }
        // Of several bars within one pixel, the first is enough.
        if (end < drawnTo) continue;
        drawnTo = Math.max(end, x + 1);
        c.globalAlpha = dimmed(bar) ? 0.18 : 1;
        fill(bar, row, x, end, end - x > 4 ? 1 : 0);
        this.nameBar(c, bar, row, x, end);
      }
    }
    for (const [bar, row, x, end] of later) {
      c.globalAlpha = dimmed(bar) ? 0.18 : 1;
      fill(bar, row, x, Math.max(end, x + 2), end - x > 4 ? 1 : 0);
      this.nameBar(c, bar, row, x, end);
    }
    c.globalAlpha = 1;
    for (const [index, lineWidth] of [[this.hovered, 1.5], [view.selected, 2.5]]) {
      if (index === null) continue;
      const bar = data.bars[index];
      for (const row of bar.rows) {
        const [x, end] = [this.x(bar.start), this.x(bar.end)];
        c.strokeStyle = this.colours.ink;
        c.lineWidth = lineWidth;
        c.strokeRect(x - 0.5, slots.y + row * slots.height + inset - 0.5, Math.max(3, end - x), height + 1);
      }
    }
  }

  hatch(c, x, y, width, height) {
    c.save();
    c.beginPath();
    c.rect(x, y, width, height);
    c.clip();
    c.strokeStyle = this.colours.card;
    c.lineWidth = 1.2;
    c.globalAlpha *= 0.45;
    const first = Math.max(x, this.layout.gutter) - height - (Math.max(x, this.layout.gutter) % 6);
    const last = Math.min(x + width, this.layout.width) + height;
    c.beginPath();
    for (let line = first; line < last; line += 6) {
      c.moveTo(line, y + height);
      c.lineTo(line + height, y);
    }
    c.stroke();
    c.restore();
  }

  nameBar(c, bar, row, x, end) {
    const { slots } = this.layout;
    if (slots.height < 18 || end - x < 34) return;
    const sign = bar.status === "passed" ? "" : `${STATUS_SIGNS[bar.status] ?? ""} `;
    const { name } = data.tests[bar.test];
    const short = name.slice(name.lastIndexOf("::") + 1).replace(/^:/, "");
    const y = slots.y + row * slots.height + slots.height / 2 + 0.5;
    this.text(c, sign + name, x, end, y, 12, sign + short);
  }

  /** Text in a bar, or if it does not fit as much of the shorter text as does. */
  text(c, text, x, end, y, size, shorter = text) {
    const from = Math.max(x, this.layout.gutter) + 5;
    const room = Math.min(end, this.layout.width) - from - 5;
    if (room < 24) return;
    c.font = `${size}px ${this.font}`;
    c.textBaseline = "middle";
    c.textAlign = "left";
    if (text !== shorter && (text.length > room / 3 || c.measureText(text).width > room)) text = shorter;
    const fits = Math.floor(room / (size * 0.35));
    let shown = text.length <= fits ? text : text.slice(0, fits);
    while (shown.length > 1 && c.measureText(shown + (shown === text ? "" : "\u2026")).width > room) shown = shown.slice(0, -1);
    if (shown.length < Math.min(text.length, 3)) return;
    c.fillStyle = this.colours["on-bar"];
    c.fillText(shown === text ? text : `${shown}\u2026`, from, y);
  }

  drawLabels(c) {
    const { slots, build, binaries, isNarrow } = this.layout;
    c.font = `12px ${this.font}`;
    c.textBaseline = "middle";
    c.textAlign = "left";
    c.fillStyle = this.colours.muted;
    if (build) c.fillText("Build", 0, build.y + build.height / 2);
    if (binaries) c.fillText("Lists", 0, binaries.y + Math.max(6, (binaryLanes * (binaries.height + 2)) / 2 - 1));
    const every = slots.height >= 12 ? 1 : slots.height >= 6 ? 4 : Math.ceil(30 / slots.height);
    data.rows.forEach((row, index) => {
      if (row.number % every !== 0) return;
      const word = row.kind === "slot" ? "Slot" : isNarrow ? "Eng." : "Engine";
      c.fillText(`${word} ${row.number + 1}`, 0, slots.y + index * slots.height + slots.height / 2);
    });
  }

  /** How many tests run and wait over the whole run, and the part that the timeline shows. */
  drawOverview() {
    const { width, gutter } = this.layout;
    const height = 50;
    const c = this.context(this.overview.querySelector("canvas"), width, height);
    const room = width - gutter;
    const x = (time) => gutter + (time / END) * room;
    const draw = (which, most, colour, alpha, bottom, high) => {
      c.fillStyle = colour;
      c.globalAlpha = alpha;
      this.columns(which, Math.ceil(room)).forEach((value, column) => {
        const size = (value / most) * high;
        c.fillRect(gutter + column, bottom - size, 1, size);
      });
      c.globalAlpha = 1;
    };
    c.fillStyle = this.colours.faint;
    c.fillRect(gutter, 0, room, height);
    const waiting = Math.max(...this.steps.map((step) => step[2]));
    const running = Math.max(1, data.rows.length);
    if (waiting > 0) draw(2, waiting, this.colours.list, 0.5, height / 2 - 1, height / 2 - 3);
    draw(1, running, this.colours.passed, 0.85, height, height / 2 - 3);
    const [from, to] = [x(this.from), x(this.to)];
    if (this.from > 0 || this.to < END) {
      c.fillStyle = this.colours.card;
      c.globalAlpha = 0.65;
      c.fillRect(gutter, 0, from - gutter, height);
      c.fillRect(to, 0, width - to, height);
      c.globalAlpha = 1;
      c.strokeStyle = this.colours.accent;
      c.lineWidth = 2;
      c.strokeRect(from, 1, Math.max(3, to - from), height - 2);
    }
    c.font = `12px ${this.font}`;
    c.textBaseline = "middle";
    c.textAlign = "left";
    c.fillStyle = this.colours.muted;
    if (waiting > 0) c.fillText("Waiting", 0, 13);
    c.fillText("Running", 0, 37);
    c.font = `11px ${this.font}`;
    if (waiting > 0) c.fillText(`up to ${waiting.toLocaleString("en")}`, gutter + 5, 8);
  }

  /** The most at once, for each of so many equal parts of the run. */
  columns(which, number) {
    const most = new Float64Array(number);
    const column = (time) => Math.min(number - 1, Math.floor((time / END) * number));
    this.steps.forEach((step, index) => {
      const next = this.steps[index + 1];
      const last = next ? column(next[0]) : number - 1;
      for (let at = column(step[0]); at <= last; at++) most[at] = Math.max(most[at], step[which]);
    });
    return most;
  }

  /** Shows this part of the run. */
  show(from, to) {
    const least = Math.max(END / 1e6, 1e-5);
    let span = Math.min(END, Math.max(least, to - from));
    from = Math.min(Math.max(0, from), END - span);
    [this.from, this.to] = [from, from + span];
    this.schedule();
  }

  /** Shows the time from the first start of a test to the last end. */
  showTests() {
    const { start, end } = data.times, margin = (end - start) / 40;
    this.show(start - margin, end + margin);
  }

  zoom(factor, around = (this.from + this.to) / 2) {
    this.show(around - (around - this.from) * factor, around + (this.to - around) * factor);
  }

  /** Moves so that a bar is seen. */
  reveal(index) {
    const bar = data.bars[index], span = this.to - this.from;
    if (bar.end < this.from || bar.start > this.to || bar.end - bar.start < span / 2000) {
      const wanted = Math.min(span, Math.max((bar.end - bar.start) * 200, END / 1e4));
      const middle = (bar.start + bar.end) / 2;
      this.show(middle - wanted / 2, middle + wanted / 2);
    }
  }

  /** The place in a row of the first bar that ends after a time. */
  firstEndingAfter(bars, time) {
    let low = 0, high = bars.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (data.bars[bars[middle]].end < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The bar at a point. Narrow bars can be hit a few pixels beside them. */
  barAt(x, y) {
    const { slots, gutter } = this.layout;
    const row = Math.floor((y - slots.y) / slots.height);
    if (x < gutter || row < 0 || row >= barsOfRow.length) return null;
    const [time, near] = [this.time(x), this.time(x + 3) - this.time(x)];
    const bars = barsOfRow[row];
    let best = null, distance = Infinity;
    for (let i = this.firstEndingAfter(bars, time - near); i < bars.length; i++) {
      const bar = data.bars[bars[i]];
      if (bar.start > time + near) break;
      const far = Math.max(bar.start - time, time - bar.end, 0);
      if (far < distance) [best, distance] = [bars[i], far];
    }
    return best;
  }

  /** The text about what is at a point above the slots. */
  preparationAt(x, y) {
    const { build, binaries, gutter } = this.layout;
    if (x < gutter) return null;
    const time = this.time(x), near = this.time(x + 2) - time;
    const isIn = (start, end) => time >= start - near && time <= end + near;
    if (build && y >= build.y && y < build.y + build.height && isIn(data.build.start, data.build.end)) {
      return ["cargo build", `${lasting(data.build.seconds)}${data.build.success ? "" : ", failed"}`];
    }
    const found = binaryBars.find((bar) => {
      const top = binaries.y + bar.lane * (binaries.height + 2);
      return y >= top && y < top + binaries.height + 2 && isIn(bar.start, bar.end);
    });
    return found ? [binaryTitle(found.index), binaryTimes(data.binaries[found.index])] : null;
  }

  listen() {
    const { place } = this;
    const pointers = new Map();
    let moved = false, pinch = 0;
    const point = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    place.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      pointers.set(event.pointerId, point(event));
      moved = false;
    });
    place.addEventListener("pointermove", (event) => {
      const [x, y] = point(event);
      const before = pointers.get(event.pointerId);
      if (!before) return this.hover(x, y, event);
      if (pointers.size === 2) {
        pointers.set(event.pointerId, [x, y]);
        const [[a], [b]] = [...pointers.values()];
        const width = Math.max(10, Math.abs(a - b));
        if (pinch > 0) this.zoom(pinch / width, this.time((a + b) / 2));
        pinch = width;
        moved = true;
        return;
      }
      if (!moved && Math.abs(x - before[0]) < 4) return;
      if (!moved) place.setPointerCapture(event.pointerId);
      moved = true;
      place.classList.add("moving");
      this.tip.hidden = true;
      const by = this.time(before[0]) - this.time(x);
      pointers.set(event.pointerId, [x, y]);
      this.show(this.from + by, this.to + by);
    });
    const end = (event) => {
      const was = pointers.delete(event.pointerId);
      pinch = 0;
      place.classList.remove("moving");
      if (was && !moved && event.type === "pointerup") select(this.barAt(...point(event)));
    };
    place.addEventListener("pointerup", end);
    place.addEventListener("pointercancel", end);
    place.addEventListener("pointerleave", () => this.leave());
    place.addEventListener("dblclick", (event) => {
      const [x, y] = point(event);
      const index = this.barAt(x, y);
      if (index === null) return this.zoom(0.4, this.time(x));
      const bar = data.bars[index], length = Math.max(bar.end - bar.start, END / 1e6);
      this.show(bar.start - length / 4, bar.end + length / 4);
    });
    place.addEventListener("wheel", (event) => {
      const [x] = point(event);
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        this.zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 200))), this.time(x));
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        const pixels = event.deltaX || event.deltaY;
        const by = this.time(pixels) - this.time(0);
        this.show(this.from + by, this.to + by);
      }
    }, { passive: false });
    place.addEventListener("keydown", (event) => this.key(event));
    const slide = (event) => {
      const box = this.overview.getBoundingClientRect();
      const { gutter, width } = this.layout;
      const time = ((event.clientX - box.left - gutter) / (width - gutter)) * END;
      const half = (this.to - this.from) / 2;
      this.show(time - half, time + half);
    };
    this.overview.addEventListener("pointerdown", (event) => {
      this.overview.setPointerCapture(event.pointerId);
      this.overview.classList.add("moving");
      slide(event);
    });
    this.overview.addEventListener("pointermove", (event) => {
      if (this.overview.hasPointerCapture(event.pointerId)) slide(event);
    });
    this.overview.addEventListener("pointerup", () => this.overview.classList.remove("moving"));
  }

  hover(x, y, event) {
    const index = event.pointerType === "touch" ? null : this.barAt(x, y);
    if (index !== this.hovered) {
      this.hovered = index;
      this.schedule();
    }
    const text = event.pointerType === "touch" ? null
      : index === null ? this.preparationAt(x, y) : tipOf(index);
    this.place.style.cursor = index === null ? "" : "pointer";
    this.tip.hidden = !text;
    if (!text) return;
    this.tip.replaceChildren(element("b", {}, text[0]), element("br"), element("span", {}, text[1]));
    const box = this.tip.getBoundingClientRect();
    const left = Math.min(event.clientX + 14, window.innerWidth - box.width - 8);
    const below = event.clientY + 18 + box.height < window.innerHeight;
    this.tip.style.left = `${Math.max(8, left)}px`;
    this.tip.style.top = `${below ? event.clientY + 18 : event.clientY - box.height - 12}px`;
  }

  leave() {
    this.tip.hidden = true;
    if (this.hovered !== null) {
      this.hovered = null;
      this.schedule();
    }
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = (this.to - this.from) / 5;
    const known = {
      "+": () => this.zoom(0.5, this.middle()),
      "=": () => this.zoom(0.5, this.middle()),
      "-": () => this.zoom(2, this.middle()),
      "0": () => this.show(0, END),
      ArrowRight: () => (event.shiftKey ? this.show(this.from + step, this.to + step) : this.goAlong(1)),
      ArrowLeft: () => (event.shiftKey ? this.show(this.from - step, this.to - step) : this.goAlong(-1)),
      ArrowUp: () => this.goAcross(-1),
      ArrowDown: () => this.goAcross(1),
      Enter: () => view.selected !== null && showInTable(data.bars[view.selected].test),
      Escape: () => select(null),
    };
    const action = known[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  /** What zooming by keys keeps in its place. */
  middle() {
    if (view.selected === null) return (this.from + this.to) / 2;
    const bar = data.bars[view.selected];
    return (bar.start + bar.end) / 2;
  }

  choose(index) {
    if (index === undefined || index === null) return;
    select(index);
    this.reveal(index);
  }

  /** Selects the next test of the slot, among those that were searched. */
  goAlong(by) {
    if (view.selected === null) {
      const first = barsOfRow.find((bars) => bars.length > 0);
      return this.choose(first?.[0]);
    }
    const bars = barsOfRow[data.bars[view.selected].rows[0]];
    for (let i = bars.indexOf(view.selected) + by; i >= 0 && i < bars.length; i += by) {
      if (!view.matches || view.matches[data.bars[bars[i]].test]) return this.choose(bars[i]);
    }
  }

  goAcross(by) {
    if (view.selected === null) return this.goAlong(1);
    const { rows, start, end } = data.bars[view.selected];
    for (let row = rows[0] + by; row >= 0 && row < barsOfRow.length; row += by) {
      const bars = barsOfRow[row];
      if (bars.length === 0) continue;
      const place = this.firstEndingAfter(bars, (start + end) / 2);
      return this.choose(bars[Math.min(place, bars.length - 1)]);
    }
  }
}

function tipOf(index) {
  const bar = data.bars[index], test = data.tests[bar.test];
  const words = [STATUS_WORDS[bar.status]];
  words.push(lasting(bar.status === "look" ? bar.end - bar.start : bar.program));
  if (test.attempts && bar.status !== "look") words.push(`attempt ${bar.attempt} of ${test.attempts}`);
  const waited = bar.ready === undefined ? 0 : bar.start - bar.ready;
  if (waited > 0.005) words.push(`waited ${lasting(waited)}`);
  return [testTitle(test), `${words.join(" \u00b7 ")} \u00b7 ${binaryTitle(test.binary)}`];
}

function binaryTimes(binary) {
  const words = [];
  if (binary.built !== undefined) words.push(`built at ${lasting(binary.built)}`);
  if (binary.listed !== undefined) words.push(`listed at ${lasting(binary.listed)}`);
  words.push(binary.error ? "could not be listed" : count(binary.count, "test", "tests"));
  return words.join(" \u00b7 ");
}
