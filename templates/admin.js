// Keeps a page of the console fresh to a second. The page is complete without this script, but for the charts.
(() => {
  'use strict';
  const page = document.getElementById('console');
  const find = (selector) => page.querySelector(selector);
  const all = (selector) => [...page.querySelectorAll(selector)];
  const now = () => performance.now();
  const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
  const tenths = new Intl.NumberFormat('en', {
    maximumFractionDigits: 1,
    minimumFractionDigits: 1,
  });
  const STALE_MS = 3500;
  const WORDS = { well: 'All is well', watch: 'Have a look', bad: 'Something is wrong' };
  let arrived = now();
  let ahead = 0; // How far the server's clock is ahead of this one's, in milliseconds.

  const put = (node, text) => {
    if (node && node.textContent !== text) node.textContent = text;
  };
  const set = (name, text) => all(`[data-f=${name}]`).forEach((node) => put(node, text));
  const make = (kind, text, name) => {
    const node = document.createElement(kind);
    node.textContent = text;
    if (name) node.className = name;
    return node;
  };
  const ask = async (path) => {
    const answer = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(5e3) });
    if (answer.status === 401) location.assign('/admin/login');
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  };

  // The verdict and what stands behind it.
  const verdict = (word, troubles) => {
    find('[data-verdict]').className = `verdict ${word}`;
    put(find('[data-words]'), WORDS[word]);
    const list = find('[data-troubles]');
    const said = JSON.stringify(troubles);
    if (list.dataset.said === said) return;
    list.dataset.said = said;
    list.replaceChildren(
      ...troubles.map(({ level, text, advice }) => {
        const item = make('li', '', level);
        item.append(make('strong', text), ' ', make('span', advice));
        return item;
      }),
    );
  };
  const state = (gateway) =>
    gateway.silent
      ? `silent for ${gateway.silent_seconds} s`
      : gateway.missing.length
        ? `misses ${gateway.missing.join(', ')}`
        : 'serves';
  const standing = (look) => {
    ahead = Date.parse(look.server_time) - Date.now();
    verdict(look.verdict, look.troubles);
    for (const [store, answers] of Object.entries(look.stores)) {
      find(`[data-store=${store}]`).classList.toggle('bad', !answers);
      put(find(`[data-store-words=${store}]`), answers ? 'answers' : 'does not answer');
    }
    find('[data-gateways]').replaceChildren(
      ...look.gateways.map((gateway) => {
        const row = document.createElement('tr');
        const name = make('th', gateway.name);
        name.scope = 'row';
        const cell = (label, text, kind) => {
          const node = make('td', text, kind);
          node.dataset.label = label;
          return node;
        };
        row.append(
          name,
          cell('State', state(gateway), gateway.silent || gateway.missing.length ? 'bad' : ''),
          cell('Sockets', whole.format(gateway.sockets), 'n'),
          cell('Admissions per second', tenths.format(gateway.admissions_per_second), 'n'),
          cell('Version', gateway.version),
        );
        return row;
      }),
    );
    for (const sale of look.sales) {
      const row = all('[data-sale]').find((node) => node.dataset.sale === sale.slug);
      if (!row) continue;
      row.querySelector('[data-light]').className = `dot ${sale.verdict}`;
      put(row.querySelector('[data-col=waiting]'), whole.format(sale.waiting));
      for (const part of ['available', 'held', 'sold'])
        put(row.querySelector(`[data-col=${part}]`), whole.format(sale.tokens[part]));
    }
  };

  // The numbers of one sale.
  const show = (stats) => {
    const { tokens } = stats;
    for (const name of ['waiting', 'joined', 'left', 'admitted'])
      set(name, whole.format(stats[name]));
    for (const name of ['joins_per_second', 'admissions_per_second'])
      set(name, tenths.format(stats[name]));
    for (const name of ['seeded', 'available', 'held', 'sold', 'withdrawn'])
      set(name, whole.format(tokens[name]));
    const balance = find('[data-balance]');
    const balanced =
      tokens.available >= 0 &&
      tokens.seeded === tokens.available + tokens.held + tokens.sold + tokens.withdrawn;
    balance.classList.toggle('bad', !balanced);
    balance.childNodes[2].data = balanced ? ' = available ' : ' ≠ available ';
    find('[data-moved]').hidden = stats.status === page.dataset.status;
    draw.live(stats);
  };

  // Charts of the last minutes and of the whole sale.
  const LAST_SECONDS = 600;
  const WHOLE_EVERY_MS = 15e3;
  const COLUMNS = ['waiting', 'available', 'held', 'sold', 'joined', 'admitted'];
  const draw = (() => {
    const boxes = all('[data-chart]');
    if (!boxes.length || !window.uPlot) return { live() {} };
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => () => style.getPropertyValue(name).trim();
    const kinds = {
      line: [['Waiting', '--accent', (p) => p.waiting]],
      units: [
        ['Available', '--soft', (p) => p.available],
        ['Held', '--held', (p) => p.held],
        ['Sold', '--accent', (p) => p.sold],
      ],
      pace: [
        ['Joins per second', '--held', (p) => p.joins],
        ['Admissions per second', '--accent', (p) => p.admissions],
      ],
    };
    const DAY_SECONDS = 86400;
    const clock = (more) => new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', ...more });
    const time = { hour: '2-digit', minute: '2-digit' };
    const formats = [
      clock({ ...time, second: '2-digit' }),
      clock(time),
      clock({ day: 'numeric', month: 'short', ...time }),
    ];
    const times = (chart, ticks, _, __, step) => {
      const { min, max } = chart.scales.x;
      const format = formats[max - min > DAY_SECONDS ? 2 : step < 60 ? 0 : 1];
      return ticks.map((at) => format.format(new Date(at * 1e3)));
    };
    let range = 'last';
    let points = [];
    let asked = 0;
    const charts = boxes.map((box) => {
      const series = kinds[box.dataset.chart];
      const axis = { stroke: colour('--soft'), grid: { stroke: colour('--line'), width: 1 } };
      const short = new Intl.NumberFormat('en', { notation: 'compact' });
      const options = {
        width: box.clientWidth,
        height: 200,
        cursor: { drag: { x: false, y: false } },
        scales: { y: { range: (_, __, top) => [0, Math.max(1, top * 1.05)] } },
        axes: [
          { ...axis, ticks: axis.grid, space: 70, values: times },
          {
            ...axis,
            ticks: axis.grid,
            size: 52,
            values: (_, ticks) => ticks.map((t) => short.format(t)),
          },
        ],
        series: [
          { label: 'UTC', value: (_, at) => (at == null ? '–' : formats[0].format(at * 1e3)) },
          ...series.map(([label, name]) => ({
            label,
            stroke: colour(name),
            width: 2,
            points: { show: false },
            value: (_, v) => (v == null ? '–' : tenths.format(v).replace(/\.0$/, '')),
          })),
        ],
      };
      const chart = new uPlot(options, [[], ...series.map(() => [])], box);
      new ResizeObserver(() => {
        if (box.clientWidth !== chart.width)
          chart.setSize({ width: box.clientWidth, height: 200 });
      }).observe(box);
      return { box, series, chart };
    });
    const refresh = () => {
      const end = points.at(-1)?.at ?? 0;
      const seen = range === 'last' ? points.filter((p) => p.at > end - LAST_SECONDS) : points;
      for (const { box, series, chart } of charts) {
        const columns = series.map(([, , of]) => seen.map(of));
        chart.setData([seen.map((p) => p.at), ...columns]);
        // Where nobody points at it, the legend tells the newest values.
        if (!(chart.cursor.left >= 0)) chart.setLegend({ idx: seen.length - 1 }, false);
        box.dataset.points = seen.length;
        const parts = series.map(([label], index) => {
          const values = columns[index].filter((value) => value != null);
          const most = values.length ? Math.max(...values) : 0;
          return `${label} ${tenths.format(values.at(-1) ?? 0)}, at most ${tenths.format(most)}`;
        });
        box.setAttribute('aria-label', parts.join('; '));
      }
    };
    const rate = (name, point, before) =>
      before && point.at > before.at
        ? Math.max(0, (point[name] - before[name]) / (point.at - before.at))
        : null;
    const load = async () => {
      asked = now();
      const wanted = range;
      const since = new Date(Date.now() + ahead - LAST_SECONDS * 1e3).toISOString();
      const path = page.dataset.history + (wanted === 'last' ? `?since=${since}` : '');
      const past = (await ask(path)).points.map((point) => ({
        ...point,
        at: Date.parse(point.at) / 1e3,
      }));
      if (wanted !== range) return;
      past.forEach((point, index) => {
        point.joins = rate('joined', point, past[index - 1]);
        point.admissions = rate('admitted', point, past[index - 1]);
      });
      const last = past.at(-1)?.at ?? 0;
      points = [...past, ...points.filter((point) => point.live && point.at > last)];
      refresh();
    };
    all('[data-range]').forEach((button) =>
      button.addEventListener('click', () => {
        range = button.dataset.range;
        points = points.filter((point) => point.live);
        all('[data-range]').forEach((other) =>
          other.setAttribute('aria-pressed', String(other === button)),
        );
        load().catch(() => {});
      }),
    );
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () =>
      charts.forEach(({ box, series, chart }) => {
        chart.redraw(false, true);
        const marks = [...box.querySelectorAll('.u-marker')].slice(-series.length);
        marks.forEach((mark, index) => (mark.style.borderColor = colour(series[index][1])()));
      }),
    );
    all('[data-needs-charts]').forEach((node) => (node.hidden = false));
    load().catch(() => {});
    return {
      live(stats) {
        const at = (Date.now() + ahead) / 1e3;
        const all = { ...stats, ...stats.tokens };
        const point = { at, live: true };
        COLUMNS.forEach((name) => (point[name] = all[name]));
        point.joins = stats.joins_per_second;
        point.admissions = stats.admissions_per_second;
        if (!(points.at(-1)?.at > at)) points.push(point);
        // What is old enough to be in the history comes from there, thinned.
        if (range === 'whole' && now() - asked > WHOLE_EVERY_MS) load().catch(() => {});
        if (points.length > 2 * LAST_SECONDS && range === 'last')
          points = points.filter((p) => p.at > at - LAST_SECONDS);
        refresh();
      },
    };
  })();

  // What the numbers in a form would do, told while they are typed.
  const PLAN_AFTER_MS = 300;
  const PLAN_EVERY_MS = 10e3;
  all('[data-plan]').forEach((form) => {
    const list = form.querySelector('[data-forecast]');
    let turn = 0;
    let timer;
    const plan = async () => {
      const mine = (turn += 1);
      const typed = new URLSearchParams(
        [...new FormData(form)].filter(([name]) => !name.startsWith('was.')),
      );
      if (form.querySelector('[name=units]') && !typed.get('units')) return;
      const answer = await fetch(`${form.dataset.plan}?${typed}`, { cache: 'no-store' });
      const said = await answer.json();
      if (mine !== turn) return;
      const lines = answer.ok
        ? said.text
        : (said.errors ?? []).map(({ field, detail }) => {
            const label = form.elements[field]?.labels?.[0]?.textContent;
            return `${label ?? field} ${detail}.`;
          });
      list.hidden = lines.length === 0;
      if (list.textContent !== lines.join(''))
        list.replaceChildren(...lines.map((line) => make('li', line)));
    };
    const soon = (after) => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (!document.hidden) plan().catch(() => {});
        if (page.dataset.stats) soon(PLAN_EVERY_MS);
      }, after);
    };
    form.addEventListener('input', () => soon(PLAN_AFTER_MS));
    if (page.dataset.stats) soon(PLAN_EVERY_MS);
  });

  const age = () => {
    const old = now() - arrived > STALE_MS;
    find('[data-fresh]').hidden = old;
    find('[data-old]').hidden = !old;
    set('age', whole.format((now() - arrived) / 1e3));
    if (old)
      verdict('bad', [
        {
          level: 'bad',
          text: 'This gateway does not answer.',
          advice: 'Look at your network; then open the console of another gateway.',
        },
      ]);
  };
  const look = async () => {
    if (!document.hidden) {
      const asked = [ask(page.dataset.overview).then(standing)];
      if (page.dataset.stats) asked.push(ask(page.dataset.stats).then(show));
      // The overview is answered from memory; the numbers are not while Postgres is away.
      const [first, second] = await Promise.allSettled(asked);
      if (first.status === 'fulfilled') arrived = now();
      all('[data-numbers]').forEach((node) =>
        node.classList.toggle('stale', second?.status === 'rejected'),
      );
    }
    setTimeout(look, 1e3);
  };
  addEventListener('submit', (event) => {
    const button = event.submitter || event.target.querySelector('button');
    if (button.hasAttribute('aria-busy')) event.preventDefault();
    button.setAttribute('aria-busy', 'true');
    // A load that was stopped tells nobody. A form that is sent again has the same key.
    setTimeout(() => button.removeAttribute('aria-busy'), 8e3);
  });
  addEventListener('pageshow', (event) => {
    if (event.persisted) location.reload();
  });
  age();
  setInterval(age, 1e3);
  look();
})();
