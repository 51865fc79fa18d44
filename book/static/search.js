// The search of the book: words in Latin letters by their beginnings, Chinese by pairs of characters, both with the
// words that mean the same (aliases.txt). It reads search-data.js, which a page opened from disk may load.
"use strict";
(() => {
  const chinese = document.documentElement.lang === "zh-CN";
  const root = document.currentScript.dataset.root;
  const [form, ask, found, results] = ["search", "ask", "found", "results"].map((id) => document.getElementById(id));
  form.hidden = false;
  let loading, sections, aliases, length;

  const load = () => loading ??= new Promise((done) => {
    const script = document.createElement("script");
    script.src = root + "search-data.js";
    script.onload = () => {
      // The longest first: 共享内存段 is not 共享内存.
      aliases = window.bookAliases.flatMap((names) => names.map((name) => [name, names]))
        .sort(([one], [other]) => other.length - one.length);
      sections = window.bookText.flatMap(([url, title, parts]) =>
        parts.map(([id, heading, text]) => ({ url, title, id, heading, text,
          low: [`${title} ${url}`, heading, text].map((one) => one.toLowerCase()) })));
      length = sections.reduce((sum, one) => sum + one.text.length, 0) / sections.length;
      done();
    };
    document.head.append(script);
  });

  // What a text is looked for by. An ending is cut off: removed, removes and removing begin with remov.
  const HAN = /\p{Script=Han}/u;
  const cut = (word) => word.length > 4 ? word.replace(/(?<=.{3})(?:ing|ed|es|s|e)$/, "") : word;
  // What is in every question.
  const IDLE = /\b(?:an?|and|are|by|do|does|for|how|in|is|it|my|of|on|that|the|to|what|when|why|with)\b|为什么|怎[样么]|什么|如何|哪[里些]|[的了和是在吗]/g;
  const terms = (text) => [...text.matchAll(/\d+(?:\.\d+)+|\p{Script=Han}+|(?:(?!\p{Script=Han})[\p{L}\p{N}])+/gu)]
    .flatMap(([run]) => !HAN.test(run) ? [cut(run)]
      : run.length === 1 ? [run] : [...run].slice(1).map((character, at) => [...run][at] + character));
  const pattern = (term) => new RegExp(HAN.test(term) ? term : `(?<![a-z0-9])${term.replace(/\./g, "\\.")}`, "g");

  // A query is several things, each of which may be said in several ways, each of which has several terms.
  const things = (query) => {
    const rest = query.replace(IDLE, " ");
    if (/[\p{L}\p{N}]/u.test(rest)) query = rest;
    const all = [];
    for (const [name, names] of aliases) {
      const at = query.search(HAN.test(name) ? name : new RegExp(`(?<![a-z0-9])${name}(?![a-z0-9])`));
      if (at < 0) continue;
      all.push([name, ...names.filter((other) => other !== name)].map(terms));
      query = `${query.slice(0, at)} ${query.slice(at + name.length)}`;
    }
    for (const run of query.match(/\d+(?:\.\d+)+|\p{Script=Han}+|(?:(?!\p{Script=Han})[\p{L}\p{N}])+/gu) ?? []) {
      all.push([terms(run)]);
    }
    return all;
  };

  const search = (query) => {
    query = query.normalize("NFKC").toLowerCase().trim();
    const asked = things(query);
    const rarity = (some) => Math.log(1 + sections.length / (1 + some));
    const known = new Map();
    for (const term of new Set(asked.flat(2))) {
      const looked = pattern(term);
      const counts = sections.map((one) => one.low.map((text) => text.includes(term) ? text.match(looked)?.length ?? 0 : 0));
      known.set(term, { rare: rarity(counts.filter((some) => some.some(Boolean)).length),
        values: counts.map(([title, heading, text], at) => 2 * Math.min(title, 1) + 1.5 * Math.min(heading, 1)
          + 2.2 * text / (text + 1.2 * (0.4 + 0.6 * sections[at].text.length / length))) });
    }
    // How well each section says each thing, in the way that it says best; all ways together are as rare as the thing.
    const said = asked.map((ways) => {
      const values = sections.map((_, at) => Math.max(...ways.map((way, other) => {
        const rare = way.reduce((sum, term) => sum + known.get(term).rare, 0);
        const there = way.filter((term) => known.get(term).values[at]).length / way.length;
        const value = way.reduce((sum, term) => sum + known.get(term).rare * known.get(term).values[at], 0) / rare;
        return value * there ** 2 * (other ? 0.85 : 1);
      })));
      const rare = rarity(values.filter((value) => value > 0.5).length);
      return values.map((value) => value * rare);
    });
    const pages = new Map();
    sections.forEach((section, at) => {
      const worth = said.map((values) => values[at]);
      let score = worth.reduce((sum, one) => sum + one, 0) * (worth.filter(Boolean).length / asked.length) ** 2;
      if (!score) return;
      // The notes of the sections explain; other pages name the same things.
      if (section.url.startsWith("notes/4.")) score *= 1.4;
      section.low.forEach((text, where) => { if (text.includes(query)) score *= [1.5, 1.4, 1.2][where]; });
      const page = pages.get(section.url) ?? { best: 0, all: 0 };
      page.all += score;
      if (score > page.best) Object.assign(page, { best: score, section });
      pages.set(section.url, page);
    });
    const order = [...pages.values()].sort((one, other) => other.best + other.all / 20 - one.best - one.all / 20);
    return { asked, order: order.map((page) => page.section) };
  };

  const marked = (section, asked) => {
    const shown = document.createElement("p");
    const any = new RegExp([...new Set(asked.flat(2))].map((term) => pattern(term).source).join("|"), "gi");
    const first = Math.max(section.text.search(any) - 50, 0);
    const piece = (first ? "…" : "") + section.text.slice(first, first + 170) + "…";
    let last = 0;
    for (const one of piece.matchAll(any)) {
      const mark = document.createElement("mark");
      mark.textContent = one[0];
      shown.append(piece.slice(last, one.index), mark);
      last = one.index + one[0].length;
    }
    shown.append(piece.slice(last));
    return shown;
  };

  const show = async () => {
    await load();
    const { asked, order } = ask.value.trim() ? search(ask.value) : { asked: [], order: [] };
    results.replaceChildren(...order.slice(0, 10).map((section) => {
      const [item, link] = ["li", "a"].map((name) => document.createElement(name));
      link.href = `${root}${section.url}#${section.id}`;
      link.textContent = section.heading === section.title ? section.title : `${section.title}: ${section.heading}`;
      item.append(link, marked(section, asked));
      return item;
    }));
    results.hidden = !order.length;
    found.textContent = !ask.value.trim() ? "" : !order.length ? (chinese ? "没有找到" : "Nothing found")
      : chinese ? `找到 ${order.length} 页` : `${order.length} ${order.length === 1 ? "page" : "pages"} found`;
  };
  window.bookSearch = async (query) => { await load(); return search(query).order.map((section) => section.url); };

  ask.addEventListener("focus", load);
  ask.addEventListener("input", show);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await show();
    results.querySelector("a")?.click();
  });
  document.addEventListener("keydown", (event) => {
    const links = [...results.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    const inside = document.activeElement === ask || at >= 0;
    if (event.key === "/" && !inside && !event.ctrlKey && !event.metaKey && !event.altKey) ask.focus();
    else if (event.key === "Escape" && inside) { ask.value = ""; show(); ask.focus(); }
    else if (event.key === "ArrowDown" && inside && links[at + 1]) links[at + 1].focus();
    else if (event.key === "ArrowUp" && at >= 0) (links[at - 1] ?? ask).focus();
    else return;
    event.preventDefault();
  });

  // What is wider than the page scrolls, by the arrow keys, too.
  const wide = () => document.querySelectorAll("pre, .table-wrapper").forEach((one) =>
    one.scrollWidth > one.clientWidth ? one.tabIndex = 0 : one.removeAttribute("tabindex"));
  addEventListener("resize", wide);
  addEventListener("load", wide);
})();
