// Counts the checkout window down and keeps it true after a sleep.
// The forms work without this script.
(() => {
  'use strict';
  const page = document.getElementById('checkout');
  const find = (selector) => page.querySelector(selector);
  const now = () => performance.now();
  const say = (words) => {
    find('[data-say]').textContent = words;
  };
  const ends = find('[data-ends]');
  const words = find('[data-say]').dataset;
  let [given, arrived] = [Number(page.dataset.secondsLeft), now()];

  const span = (seconds) => {
    const two = (value) => String(value).padStart(2, '0');
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(seconds % 60)}`;
  };
  const LOOK_S = 30; // between two looks at the hold
  const LOOK_WHEN_OVER_S = 3;
  let since = 0;
  const tick = () => {
    const left = Math.max(0, Math.ceil(given - (now() - arrived) / 1e3));
    since += 1;
    if (since >= (left > 0 ? LOOK_S : LOOK_WHEN_OVER_S)) look();
    find('[data-left]').textContent = span(left);
    document.title = `${span(left)} – ${page.dataset.title}`;
    if (left === 60) say(words.minute);
    if (left === 0 && find('[data-over]').hidden) say(words.overWords);
    find('[data-over]').hidden = left > 0;
    find('[data-running]').hidden = left === 0;
  };
  // A sleeping device stops its clock: ask the server how much is left, and whether the hold has
  // ended elsewhere.
  const look = async () => {
    if (document.hidden) return;
    since = 0;
    try {
      const answer = await fetch(page.dataset.hold, { cache: 'no-store' });
      if (!answer.ok) return;
      const hold = await answer.json();
      if (hold.state === 'confirmed') location.replace(page.dataset.receipt);
      else if (hold.state !== 'active') location.replace(page.dataset.room);
      [given, arrived] = [hold.seconds_left, now()];
    } catch {
      /* the countdown that is shown goes on */
    }
  };

  addEventListener('submit', (event) => {
    const button = event.target.querySelector('button');
    if (button.hasAttribute('aria-busy')) event.preventDefault();
    button.setAttribute('aria-busy', 'true');
    // A request that hangs may be sent again: it carries the same key.
    setTimeout(() => button.removeAttribute('aria-busy'), 8e3);
  });
  addEventListener('pageshow', (event) => {
    if (event.persisted) location.reload();
  });
  addEventListener('online', look);
  document.addEventListener('visibilitychange', look);
  ends.textContent = new Intl.DateTimeFormat(page.dataset.locale, { timeStyle: 'medium' }).format(
    new Date(ends.dateTime),
  );
  tick();
  setInterval(tick, 1e3);
})();
