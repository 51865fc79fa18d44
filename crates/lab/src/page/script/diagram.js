// ── The diagram ──────────────────────────────────────────────────────────────────────────────────────

const ROW = 24;
const GAP = 10;
const MOST = 400;

// `head`: an id of its own for each diagram, for one that is not shown lends nothing to another.
function diagram(show, now, width, marks, head) {
  const all = now.drawn;
  const from = Math.max(0, all.length - MOST);
  const gutter = 34;
  const lanes = show.lanes.length;
  const x = (lane) => lanes === 1 ? gutter + 22 : gutter + 22 + lane * (width - gutter - 44) / (lanes - 1);
  const y = (row) => (row - from) * ROW + ROW / 2 + 4;
  const bottom = Math.max(1, all.length - from) * ROW + 8;
  const parts = [];
  // What crosses a line lies below its text.
  const texts = [];
  const last = all.length ? all[all.length - 1].n : -1;
  const band = all.findIndex((row) => row.n === last);
  if (band >= from) parts.push(svg('rect', { class: 'band', x: 0, y: y(band) - ROW / 2, width, height: (all.length - band) * ROW }));
  for (const at of marks) {
    const row = all.findIndex((row) => row.n >= at);
    const top = row < 0 ? bottom - 4 : y(row) - ROW / 2;
    if (row < 0 || row >= from) parts.push(svg('line', { class: 'choice', x1: 0, x2: width, y1: top, y2: top }));
  }
  now.lanes.forEach((lane, at) => {
    if (lane.born === null) return;
    const top = lane.born > from || lane.born > 0 ? y(Math.max(lane.born, from)) : 0;
    const end = lane.end === null ? bottom : y(lane.end);
    if (end > top) parts.push(svg('line', { class: `life ${colour(at)}`, x1: x(at), x2: x(at), y1: top, y2: end }));
    for (const sleep of lane.sleeps) {
      const to = sleep.to === null ? bottom : y(sleep.to);
      const begin = Math.max(y(sleep.from), 0);
      if (to > begin) parts.push(svg('rect', { class: `sleep ${colour(at)}`, x: x(at) - 4, y: begin, width: 8, height: to - begin }));
    }
  });
  const sent = [];
  all.forEach((row, nth) => {
    const { line, woken } = row;
    const lane = line.l;
    if (line.o) sent.push({ lane, signal: line.o, row: nth });
    if (nth < from) return;
    const arrow = (a, b, begin, end) => {
      // Between the rows: below the text of the one, above that of the other.
      const to = x(b) + (x(a) < x(b) ? -4 : 4);
      const [from, down] = begin === end ? [end + GAP, end + GAP] : [begin + GAP, end - GAP];
      parts.push(svg('path', { class: `arrow ${colour(a)}`, d: `M${x(a)} ${from}L${to} ${down}`, 'marker-end': `url(#${head})` }));
    };
    if (line.c !== undefined && now.lanes[line.c].born === nth) arrow(lane, line.c, y(nth), y(nth));
    if (line.y !== undefined && line.y !== null && now.lanes[lane].born === nth) arrow(line.y, lane, y(nth), y(nth));
    if (line.i && line.i[1] !== null && line.i[1] !== lane) {
      const found = sent.findIndex((one) => one.lane === line.i[1] && one.signal === line.i[0]);
      const begin = found < 0 ? nth : sent.splice(found, 1)[0].row;
      arrow(line.i[1], lane, Math.max(y(begin), 0), y(nth));
    }
    const square = line.k === 'read' || line.k === 'write';
    const mark = square
      ? svg('rect', { class: `dot ${line.k} ${colour(lane)}`, x: x(lane) - 4.5, y: y(nth) - 4.5, width: 9, height: 9 })
      : svg('circle', { class: `dot ${line.k} ${colour(lane)}`, cx: x(lane), cy: y(nth), r: 5 });
    // Text runs towards the middle, where there is room.
    const right = lane < lanes / 2 || lanes === 1;
    const room = right ? width - x(lane) - 12 : x(lane) - gutter - 8;
    const text = (woken ? '… ' : '') + line.t;
    const letters = Math.max(6, Math.floor(room / 7.3));
    const short = text.length > letters ? text.slice(0, letters - 1) + '…' : text;
    texts.push(mark, svg('text', {
      class: `what ${line.e ? 'bad' : line.k}`, x: x(lane) + (right ? 11 : -11), y: y(nth) + 4, 'text-anchor': right ? 'start' : 'end',
    }, short));
    if (nth === from || all[nth - 1].n !== row.n) {
      texts.push(svg('text', { class: 'nth', x: 24, y: y(nth) + 4, 'text-anchor': 'end' }, String(row.n + 1)));
    }
  });
  const tip = svg('marker', { id: head, viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: 'auto-start-reverse' },
    svg('path', { d: 'M0 0L8 4L0 8z', class: 'point' }));
  const heads = svg('svg', { class: 'heads', width, height: 30, viewBox: `0 0 ${width} 30`, 'aria-hidden': 'true' });
  show.lanes.forEach((lane, at) => {
    const wide = Math.max(26, lane.n.length * 8 + 14);
    const left = Math.min(Math.max(0, x(at) - wide / 2), width - wide);
    const off = now.lanes[at].born === null ? ' off' : '';
    heads.append(
      svg('rect', { class: `lane ${colour(at)}${off}`, x: left, y: 3, width: wide, height: 24, rx: 6 }),
      svg('text', { class: `name${off}`, x: left + wide / 2, y: 20, 'text-anchor': 'middle' }, lane.n));
  });
  const label = `Sequence diagram of ${count(all.length, 'line')}. The text of each step says the same in words.`;
  const body = svg('svg', { role: 'img', 'aria-label': label, width, height: bottom, viewBox: `0 0 ${width} ${bottom}` },
    svg('defs', {}, tip), ...parts, ...texts);
  return [heads, body];
}
