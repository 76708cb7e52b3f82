// Keeps the numbers of one sale fresh to a second. The page is complete without this script.
(() => {
  'use strict';
  const page = document.getElementById('sale');
  const find = (selector) => page.querySelector(selector);
  const now = () => performance.now();
  const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
  const tenths = new Intl.NumberFormat('en', {
    maximumFractionDigits: 1,
    minimumFractionDigits: 1,
  });
  const balance = find('[data-balance]');
  const STALE_MS = 3500;
  const SPARK_POINTS = 120; // two minutes at one look a second
  const past = {};
  let arrived = now();

  const set = (name, text) =>
    page.querySelectorAll(`[data-f=${name}]`).forEach((node) => {
      if (node.textContent !== text) node.textContent = text;
    });
  // A small line of the last two minutes; it stands on zero, so that a small change looks small.
  const spark = (svg, value) => {
    const points = (past[svg.dataset.spark] = [...(past[svg.dataset.spark] || []), value].slice(
      -SPARK_POINTS,
    ));
    const top = Math.max(1, ...points);
    const start = SPARK_POINTS - points.length;
    const places = points.map(
      (point, index) => `${start + index},${(31 - (point / top) * 30).toFixed(1)}`,
    );
    svg.firstElementChild.setAttribute('points', places.join(' '));
    svg.removeAttribute('hidden');
  };
  const show = (stats) => {
    const { tokens } = stats;
    page.querySelectorAll('[data-spark]').forEach((svg) => {
      spark(
        svg,
        svg.dataset.spark in tokens ? tokens[svg.dataset.spark] : stats[svg.dataset.spark],
      );
    });
    for (const name of ['waiting', 'joined', 'left', 'admitted'])
      set(name, whole.format(stats[name]));
    for (const name of ['joins_per_second', 'admissions_per_second'])
      set(name, tenths.format(stats[name]));
    for (const name of ['seeded', 'available', 'held', 'sold', 'withdrawn'])
      set(name, whole.format(tokens[name]));
    const balanced =
      tokens.seeded === tokens.available + tokens.held + tokens.sold + tokens.withdrawn;
    balance.classList.toggle('bad', !balanced);
    balance.childNodes[2].data = balanced ? ' = available ' : ' ≠ available ';
    find('[data-moved]').hidden = stats.status === page.dataset.status;
  };
  const age = () => {
    const old = now() - arrived > STALE_MS;
    find('[data-fresh]').hidden = old;
    find('[data-old]').hidden = !old;
    set('age', whole.format((now() - arrived) / 1e3));
  };
  const look = async () => {
    try {
      if (!document.hidden) {
        const answer = await fetch(page.dataset.stats, {
          cache: 'no-store',
          signal: AbortSignal.timeout(5e3),
        });
        if (answer.status === 401) {
          location.assign('/admin/login');
          return;
        }
        if (answer.ok) {
          show(await answer.json());
          arrived = now();
        }
      }
    } catch {
      /* the age of the numbers is shown */
    }
    setTimeout(look, 1e3);
  };
  addEventListener('submit', (event) => {
    const button = event.target.querySelector('button');
    if (button.hasAttribute('aria-busy')) event.preventDefault();
    button.setAttribute('aria-busy', 'true');
  });
  addEventListener('pageshow', (event) => {
    if (event.persisted) location.reload();
  });
  age();
  setInterval(age, 1e3);
  look();
})();
