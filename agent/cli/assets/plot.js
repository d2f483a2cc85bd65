"use strict";
// Draws the page's data with uPlot: panels of curves and one of bands, one time axis and one cursor for all of them.
// Numbers come thinned already (curves.py); nothing is asked of any server.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const panels = document.getElementById("panels");
  const PAPER = 660, ROW = 34, COLOURS = 8;
  const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
    3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];
  const QUIET = new Set(["no", "off", "none", "asleep", "ended"]);
  const charts = [];
  let busy = false;

  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const ends = (lists) => lists.filter((list) => list.length);
  const firsts = ends(data.panels.flatMap((p) => p.curves.map((c) => c.t))).map((t) => [t[0], t[t.length - 1]]);
  const bands = data.rows.filter((r) => r.bands.length).map((r) => [r.bands[0][0], r.bands[r.bands.length - 1][1]]);
  const whole = [...firsts, ...bands].reduce((all, one) => [Math.min(all[0], one[0]), Math.max(all[1], one[1])], [Infinity, -Infinity]);
  if (!(whole[1] > whole[0])) whole[1] = whole[0] + 1;
  let shown = [...whole];

  // --- words

  const two = (n) => String(n).padStart(2, "0");
  function elapsed(seconds, step) {
    const sign = seconds < 0 ? "-" : "";
    const digits = step >= 1 ? 0 : Math.min(3, Math.ceil(-Math.log10(step)));
    const unit = 10 ** digits;
    const all = Math.round(Math.abs(seconds) * unit);
    const whole_ = Math.floor(all / unit), rest = digits ? "." + String(all % unit).padStart(digits, "0") : "";
    const h = Math.floor(whole_ / 3600), m = Math.floor(whole_ / 60) % 60, s = whole_ % 60;
    return sign + (h ? h + ":" + two(m) : m) + ":" + two(s) + rest;
  }
  function moment(seconds) {
    const wall = data.wall_ms === null ? "" : " · " + new Date(data.wall_ms + seconds * 1000).toISOString().slice(0, -1).replace("T", " ") + " UTC";
    return elapsed(seconds, 0.001) + wall;
  }
  const number = (value) => (value === null || value === undefined ? "–" : String(Math.round(value * 10000) / 10000));
  const steppy = () => (shown[1] - shown[0]) / 10;

  // --- one time axis for all

  function show(from, to) {
    const least = Math.max((whole[1] - whole[0]) / 1e6, 0.001);
    if (!(to - from > least)) return;
    const width = Math.min(to - from, whole[1] - whole[0]);
    from = Math.max(whole[0], Math.min(from, whole[1] - width));
    shown = [from, from + width];
    busy = true;
    for (const chart of charts) chart.setScale("x", { min: shown[0], max: shown[1] });
    busy = false;
    tell(null);
  }
  const tell = (at) => {
    document.getElementById("span").textContent = at === null ? elapsed(shown[0], steppy()) + " to " + elapsed(shown[1], steppy()) : moment(at);
  };
  const zoom = (factor, middle = (shown[0] + shown[1]) / 2) => show(middle - (middle - shown[0]) * factor, middle + (shown[1] - middle) * factor);
  const shift = (part) => { const by = (shown[1] - shown[0]) * part; show(shown[0] + by, shown[1] + by); };
  const doings = { in: () => zoom(0.5), out: () => zoom(2), left: () => shift(-0.5), right: () => shift(0.5), all: () => show(...whole) };
  document.getElementById("tools").addEventListener("click", (event) => {
    const what = event.target.dataset && event.target.dataset.do;
    if (what) doings[what]();
  });

  function common(height) {
    const grid = { stroke: colour("line"), width: 1 }, ticks = { ...grid, size: 4 };
    const narrow = panels.clientWidth < 600;
    const font = "12px system-ui, 'DejaVu Sans', sans-serif";
    return {
      width: root.classList.contains("paper") ? PAPER : Math.max(panels.clientWidth - 18, 200), height, legend: { show: false }, padding: [8, 10, 0, 0],
      scales: { x: { time: false, min: shown[0], max: shown[1] } },
      axes: [
        { stroke: colour("soft"), grid, ticks, font, incrs: STEPS, space: narrow ? 52 : 70, size: 30,
          values: (u, at, axis, space, step) => at.map((t) => elapsed(t, step)) },
        { stroke: colour("soft"), grid, ticks, font, size: narrow ? 52 : 64, values: (u, at) => at.map(number) },
      ],
      cursor: { sync: { key: "time", setSeries: false }, drag: { x: true, y: false, setScale: true }, y: false, focus: { prox: -1 },
        bind: { dblclick: () => () => { show(...whole); return null; } } },
      hooks: { setScale: [(u, key) => { if (key === "x" && !busy && u.status) show(u.scales.x.min, u.scales.x.max); }] },
    };
  }

  // --- curves

  function before(values, index) {
    while (index > 0 && values[index] === undefined) index--;
    return index;
  }
  function joined(curves) {
    if (curves.length === 1) return [curves[0].t, curves[0].v];
    return uPlot.join(curves.map((c) => [c.t, c.v]), curves.map(() => [0, 2]));
  }
  function legend(box, entries) {
    const list = document.createElement("ul");
    list.className = "legend";
    const values = entries.map(([kind, name, title]) => {
      const item = document.createElement("li"), mark = document.createElement("i"), text = document.createElement("span"), value = document.createElement("b");
      item.className = kind; item.title = title; text.textContent = name;
      item.append(mark, text, value);
      list.append(item);
      return value;
    });
    box.append(list);
    return values;
  }
  function drawCurves(box, panel) {
    const values = legend(box, panel.curves.map((c, i) => ["c" + (i % COLOURS), c.short, c.name]));
    const plain = common(panels.clientWidth < 600 ? 150 : 190);
    const path = uPlot.paths.stepped({ align: 1 });
    const chart = new uPlot({
      ...plain,
      scales: { ...plain.scales, y: { range: (u, low, high) => low === null ? [0, 1] : uPlot.rangeNum(low, high === low ? low + 1 : high, 0.1, true) } },
      series: [{}, ...panel.curves.map((c, i) => ({ stroke: colour("c" + (i % COLOURS)), width: 1.6, paths: path, points: { show: c.t.length < 3 } }))],
      cursor: { ...plain.cursor, dataIdx: (u, i, index) => (i === 0 ? index : before(u.data[i], index)) },
      hooks: { ...plain.hooks, setCursor: [(u) => {
        const at = u.cursor.left >= 0 ? u.posToVal(u.cursor.left, "x") : null;
        if (u.cursor.event) tell(at);
        values.forEach((cell, i) => {
          const index = at === null ? null : last(panel.curves[i].t, at);
          cell.textContent = index === null ? "" : number(panel.curves[i].v[index]);
        });
      }] },
    }, joined(panel.curves), box);
    return chart;
  }
  /** Index of the last time that is not after `at`; null before the first. */
  function last(times, at) {
    let low = 0, high = times.length;
    while (low < high) { const mid = (low + high) >> 1; if (times[mid] <= at) low = mid + 1; else high = mid; }
    return low ? low - 1 : null;
  }

  // --- bands

  function stateAt(row, at) {
    const index = last(row.bands.map((b) => b[0]), at);
    return index === null || at > row.bands[index][1] ? "–" : row.bands[index][2];
  }
  function drawBands(box) {
    const plain = common(30 + 8 + ROW * data.rows.length);
    let pointed = null;
    const ratio = () => uPlot.pxRatio || devicePixelRatio;
    const paint = (u) => {
      const ctx = u.ctx, px = ratio(), left = u.bbox.left, right = left + u.bbox.width;
      ctx.save();
      ctx.beginPath(); ctx.rect(left, 0, u.bbox.width, u.bbox.top + u.bbox.height); ctx.clip();
      ctx.textBaseline = "middle"; ctx.textAlign = "left";
      data.rows.forEach((row, i) => {
        const top = u.bbox.top + i * ROW * px;
        ctx.font = `${12 * px}px system-ui, 'DejaVu Sans', sans-serif`;
        ctx.fillStyle = colour("soft");
        ctx.fillText(row.short, left + 2 * px, top + 8 * px);
        if (pointed !== null) {
          const name = ctx.measureText(row.short + "  ").width;
          ctx.font = "600 " + ctx.font; ctx.fillStyle = colour("ink");
          ctx.fillText(stateAt(row, pointed), left + 2 * px + name, top + 8 * px);
        }
        ctx.font = `${11 * px}px system-ui, 'DejaVu Sans', sans-serif`;
        for (const [from, to, state] of row.bands) {
          const a = Math.max(u.valToPos(from, "x", true), left), b = Math.min(u.valToPos(to, "x", true), right);
          if (b < left || a > right) continue;
          const loud = !QUIET.has(state), width = Math.max(b - a, 1.5 * px);
          ctx.fillStyle = colour(loud ? "some" : "quiet");
          ctx.fillRect(a, top + 16 * px, width, 14 * px);
          if (ctx.measureText(state).width + 8 * px < width) {
            ctx.fillStyle = colour(loud ? "some-ink" : "quiet-ink");
            ctx.fillText(state, a + 4 * px, top + 23.5 * px);
          }
        }
      });
      ctx.restore();
    };
    return new uPlot({
      ...plain,
      scales: { ...plain.scales, y: { range: [0, data.rows.length] } },
      axes: [plain.axes[0], { ...plain.axes[1], grid: { show: false }, ticks: { show: false }, values: () => [] }],
      series: [{}, { show: true, stroke: "transparent", points: { show: false } }],
      hooks: { ...plain.hooks, draw: [paint], setCursor: [(u) => {
        pointed = u.cursor.left >= 0 ? u.posToVal(u.cursor.left, "x") : null;
        if (u.cursor.event) tell(pointed);
        u.redraw(false, false);
      }] },
    }, [[...whole], [0, 0]], box);
  }

  // --- the page

  function touch(chart) {
    const over = chart.over, fingers = new Map();
    const at = (event) => { const box = over.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    over.addEventListener("pointerdown", (event) => { if (event.pointerType === "touch") fingers.set(event.pointerId, at(event)); });
    over.addEventListener("pointermove", (event) => {
      if (!fingers.has(event.pointerId)) return;
      const old = [...fingers.values()].map((it) => it[0]);
      fingers.set(event.pointerId, at(event));
      if (fingers.size === 1) {
        const [left, top] = at(event);
        chart.setCursor({ left, top });
        tell(chart.posToVal(left, "x"));
      } else if (fingers.size === 2) {
        const now = [...fingers.values()].map((it) => it[0]);
        const wide = Math.abs(old[0] - old[1]), wider = Math.max(Math.abs(now[0] - now[1]), 1);
        if (wide > 1) zoom(wide / wider, chart.posToVal((now[0] + now[1]) / 2, "x"));
      }
    });
    for (const kind of ["pointerup", "pointercancel", "pointerleave"]) over.addEventListener(kind, (event) => fingers.delete(event.pointerId));
  }
  function draw() {
    for (const chart of charts.splice(0)) chart.destroy();
    panels.textContent = "";
    const add = (title, make) => {
      const box = document.createElement("section"), name = document.createElement("h2");
      box.className = "panel"; name.textContent = title;
      box.append(name); panels.append(box);
      const chart = make(box);
      charts.push(chart);
      touch(chart);
    };
    if (data.rows.length) add("states", drawBands);
    for (const panel of data.panels) add(panel.unit || "number", (box) => drawCurves(box, panel));
    tell(null);
    root.dataset.drawn = String(charts.length);
  }
  let width = 0, timer = 0;
  const redraw = () => { clearTimeout(timer); timer = setTimeout(draw, 80); };
  addEventListener("resize", () => { if (panels.clientWidth !== width) { width = panels.clientWidth; redraw(); } });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("beforeprint", () => { root.classList.add("paper"); draw(); });
  addEventListener("afterprint", () => { root.classList.remove("paper"); draw(); });
  width = panels.clientWidth;
  draw();
})();
