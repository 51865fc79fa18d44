// ── Everything ───────────────────────────────────────────────────────────────────────────────────────

function draw(from) {
  const { show, steps, at } = way;
  const focused = document.activeElement && document.activeElement.closest('#choices, #verdict');
  const now = after(show, steps, at);
  document.body.dataset.at = at;
  const marks = way.marks.filter((mark) => mark.at <= at && !mark.alone && show.tree.places[mark.place].e === undefined).map((mark) => mark.at);
  fill('diagram', ...diagram(show, now, Math.max(280, $('diagram').clientWidth), marks, 'head'));
  $('diagram').scrollTop = $('diagram').scrollHeight;
  Object.assign($('at'), { max: steps.length, value: at });
  fill('count', `${at} of ${steps.length}`);
  for (const id of ['first', 'back']) $(id).disabled = at === 0;
  for (const id of ['on', 'last']) $(id).disabled = at === steps.length;
  fill('now-h', at ? `Step ${at}` : 'Before the first step');
  const said = wordsOf(now);
  fill('words', ...said.map(([kind, text, source]) => el('p', { class: kind }, text, ...(source ? [' ', el('code', { class: 'small' }, source)] : []))));
  $('at').setAttribute('aria-valuetext', `step ${at} of ${steps.length}`);
  drawKernel(now);
  drawBytes(now);
  drawPrinted(now);
  if (show.tree) drawChoices(now);
  else drawVerdict(at === steps.length ? show.end : null, now);
  say(now, said, from);
  // What had the focus was drawn again.
  if (focused) ($('choices') && $('choices').querySelector('button') || $('again') || $('at')).focus();
}

// What a screen reader says: the step in words, and after a choice also what it led to.
function say(now, said, from) {
  const { at, steps, show } = way;
  const parts = [`Step ${at} of ${steps.length}.`, ...said.map(([, text]) => text)];
  if (from !== undefined && at - from > 1) parts.unshift(`${at - from} steps followed.`);
  if (show.tree && markHere()) {
    const end = show.tree.places[markHere().place].e;
    parts.push(...(end === undefined ? [$('odds').textContent] : [$('score').textContent, ...show.tree.ends[end].findings]));
  } else if (!show.tree && at === steps.length && show.end) {
    parts.push(...(show.end.good ? [`Nothing is wrong: ${show.end.outcome}.`] : show.end.findings));
  }
  $('say').textContent = parts.join(' ');
}

function look(at) {
  way.at = Math.max(0, Math.min(way.steps.length, at));
  draw();
}

function change(to) {
  way = ways[to];
  document.querySelectorAll('#shows button').forEach((button, at) => button.setAttribute('aria-pressed', String(at === to)));
  draw();
}

// The shortest order, for paper.
function onPaper() {
  const show = shows[0];
  const steps = show.shortest.map((step) => ({ step }));
  const now = after(show, steps, steps.length);
  now.drawn = now.drawn.slice(0);
  fill('paper-diagram', ...diagram(show, now, 680, [], 'paper-head'));
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { key } = event;
  const slider = event.target === $('at');
  const moves = { ArrowLeft: way.at - 1, ArrowRight: way.at + 1, Home: 0, End: way.steps.length };
  if (key in moves && !slider) {
    look(moves[key]);
  } else if (key === 'Backspace' && way.show.tree) {
    takeBack();
  } else if (key.length === 1 && $('keys').checked && letter(key)) {
    // done
  } else {
    return;
  }
  event.preventDefault();
}

function letter(key) {
  if (key === '?') {
    $('help').open = !$('help').open;
    if ($('help').open) $('help').querySelector('summary').focus();
    return true;
  }
  if (key === 'C' && ways.length > 1) {
    change((ways.indexOf(way) + 1) % ways.length);
    return true;
  }
  if (!way.show.tree) return false;
  if (key === 'R') {
    startAgain();
    return true;
  }
  const mark = markHere();
  const all = (mark && way.show.tree.places[mark.place].c) || [];
  const nth = all[Number(key) - 1];
  const found = nth && nth.to !== undefined ? nth : all.find((choice) => choice.to !== undefined && way.show.lanes[choice.w].n === key);
  if (found) choose(found);
  return Boolean(found);
}

$('player').hidden = false;
document.body.classList.add('plays');
$('at').addEventListener('input', () => look(Number($('at').value)));
$('first').addEventListener('click', () => look(0));
$('back').addEventListener('click', () => look(way.at - 1));
$('on').addEventListener('click', () => look(way.at + 1));
$('last').addEventListener('click', () => look(way.steps.length));
if ($('undo')) {
  $('undo').addEventListener('click', takeBack);
  $('again').addEventListener('click', startAgain);
  $('hints').addEventListener('change', () => draw());
}
document.querySelectorAll('#shows button').forEach((button, at) => button.addEventListener('click', () => change(at)));
document.addEventListener('keydown', press);
let wide = $('diagram').clientWidth;
new ResizeObserver(() => {
  if ($('diagram').clientWidth === wide) return;
  wide = $('diagram').clientWidth;
  draw();
}).observe($('diagram'));
onPaper();
draw();
