// Makes the waiting room live. The page is complete without this script: it fills the same fields
// that the server filled, with the same words: `http/words.rs` gives it the messages that it fills by
// itself, one for each plural form, and the locale that numbers and times are written in.
(() => {
  'use strict';
  const room = document.getElementById('room');
  const { locale } = room.dataset;
  const all = (selector) => [...document.querySelectorAll(selector)];
  const number = new Intl.NumberFormat(locale);
  const count = (value) => (value == null ? '' : number.format(value));
  const set = (node, text) => {
    if (node.textContent !== text) node.textContent = text;
  };
  const reload = () => {
    // At most one reload a minute, so that a refused credential cannot make the page spin.
    try {
      if (Date.now() - (sessionStorage.reloaded || 0) < 60e3) return false;
      sessionStorage.reloaded = Date.now();
    } catch {
      return false;
    }
    location.reload();
    return true;
  };
  const written = (style, at) => new Intl.DateTimeFormat(locale, style).format(new Date(at));
  const clockTime = (at, withDay) => {
    const time = written({ timeStyle: 'short' }, at);
    if (!withDay) return time;
    const day = room.dataset.dayTime.replace('{date}', written({ dateStyle: 'full' }, at));
    return day.replace('{time}', time);
  };

  const showTimes = (times) =>
    all('[data-t]').forEach((node) => {
      const at = times ? times[node.dataset.t] : node.dateTime;
      if (!at) return;
      node.dateTime = at;
      set(node, clockTime(at, 'day' in node.dataset));
    });
  const stockFields = (stock, fields, flags) => {
    flags.stock = !!stock && stock.seeded > 0;
    flags.all_held = !!stock && stock.available === 0 && stock.held > 0;
    flags.no_units = !!stock && stock.available === 0 && stock.held === 0;
    if (!stock) return;
    for (const name of ['available', 'held', 'sold']) fields[name] = count(stock[name]);
    const share = (units) => `${stock.seeded ? (units / stock.seeded) * 100 : 0}%`;
    all('[data-bar=sold]').forEach((bar) => bar.setAttribute('width', share(stock.sold)));
    all('[data-bar=held]').forEach((bar) => {
      bar.setAttribute('x', share(stock.sold));
      bar.setAttribute('width', share(stock.held));
    });
  };
  const fill = (fields, flags) => {
    all('[data-f]').forEach((node) => {
      if (node.dataset.f in fields) set(node, fields[node.dataset.f]);
    });
    all('[data-if]').forEach((node) => {
      if (node.dataset.if in flags) node.hidden = !flags[node.dataset.if];
    });
  };

  // A double press sends one form. A load that was stopped tells nobody, so the button is free again after some
  // seconds; the form has the same key then. A page taken from the back cache is fetched again.
  addEventListener('submit', (event) => {
    const button = event.target.querySelector('button');
    if (button.hasAttribute('aria-busy')) event.preventDefault();
    button.setAttribute('aria-busy', 'true');
    setTimeout(() => button.removeAttribute('aria-busy'), 8e3);
  });
  addEventListener('pageshow', (event) => {
    if (event.persisted) location.reload();
  });

  if (room.dataset.sale) {
    showTimes();
    // What is told follows from the row of the table in `http/told.rs` that the API names. Nobody joins who
    // could not prove the place later.
    const rows = JSON.parse(room.dataset.rows);
    const tell = (row) =>
      all('[data-told]').forEach((part) => {
        const { told } = part.dataset;
        part.hidden =
          !(rows[row] || []).includes(told) || (told === 'join' && !navigator.cookieEnabled);
      });
    tell(room.dataset.row);
    fill({}, { no_cookies: !navigator.cookieEnabled });
    const look = async () => {
      try {
        const answer = document.hidden
          ? null
          : await fetch(room.dataset.sale, { cache: 'no-store' });
        if (answer && answer.ok) {
          const sale = await answer.json();
          if (sale.status !== room.dataset.status && reload()) return;
          const fields = { waiting: count(sale.waiting), notice: sale.notice || '' };
          const flags = {
            notice: !!sale.notice,
            return_known: !!sale.next_return_at,
            return_unknown: !sale.next_return_at,
          };
          stockFields(sale.stock, fields, flags);
          flags.all_held = true; // inside what the row shows or not
          fill(fields, flags);
          showTimes(sale);
          tell(`${sale.offer} ${sale.joins}`);
        }
      } catch {
        /* the next look tries again */
      }
      setTimeout(look, 10e3 + Math.random() * 10e3);
    };
    setTimeout(look, 10e3 + Math.random() * 10e3);
    return;
  }

  let state = JSON.parse(room.dataset.ticket);
  const [sale, ticket] = [state.sale, state.ticket].map(encodeURIComponent);
  const path = `/api/v1/sales/${sale}/tickets/${ticket}`;
  const now = () => performance.now();
  const moving = () => ['scheduled', 'waiting', 'admitted'].includes(state.state);
  const speaker = document.querySelector('[data-say]');
  const favicon = document.querySelector('link[rel=icon]');
  const restIcon = favicon.href;
  let arrived = now(); // when the shown state came, on the monotonic clock
  let sound = null;

  const secondsLeft = () => {
    const start =
      state.state === 'scheduled' && state.starts_at
        ? (Date.parse(state.starts_at) - Date.parse(state.server_time)) / 1e3
        : 0;
    const left = state.state === 'admitted' && state.hold ? state.hold.seconds_left : start;
    return Math.max(0, Math.ceil(left - (now() - arrived) / 1e3));
  };
  const words = JSON.parse(room.dataset.words);
  const plural = new Intl.PluralRules(locale);
  // A message about a count, in its plural form, with `{name}` filled.
  const phrase = (id, n, parts = { n: count(n) }) => {
    const form = words[id][plural.select(n)] || words[id].other || words[id];
    return form.replace(/{(\w+)}/g, (_, name) => parts[name]);
  };
  const span = (seconds) => {
    if (seconds >= 2 * 86400) return phrase('days', Math.floor(seconds / 86400));
    const two = (value) => String(value).padStart(2, '0');
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(seconds % 60)}`;
  };
  const wait = (range) => {
    if (!range) return '';
    const [unit, size] = range.high < 5400 ? ['minutes', 60] : ['hours', 3600];
    const [low, high] = [Math.max(1, Math.floor(range.low / size)), Math.ceil(range.high / size)];
    if (unit === 'minutes' && high <= 1) return words['under-a-minute'];
    const [least, most] = [count(low), count(high)];
    const both = high > low ? phrase('range', high, { low: least, high: most }) : most;
    return phrase(unit, high, { range: both });
  };

  // Words for a screen reader: on each change of state, and else at most every 20 s.
  let spoken = now();
  const say = (must) => {
    if (!must && now() - spoken < 20e3) return;
    const spokenWords = (speaker.dataset[state.state] || '')
      .replace('{position}', count(state.position))
      .replace('{left}', span(secondsLeft()));
    if (spokenWords === speaker.textContent) return;
    spoken = now();
    set(speaker, spokenWords);
  };

  // The chance in words and a number; what is only nearly sure is not called so. `http/words.rs` has the same.
  const percent = (share) => phrase('percent', 0, { n: Math.round(share * 100) });
  const odds = (p) => {
    if (p == null) return '';
    const at = [1, 0.9, 0.65, 0.4, 0.1, 0.01].findIndex((least) => p >= least);
    const figure =
      p < 0.01
        ? phrase('chance-under', 0, { p: percent(0.01) })
        : p >= 0.99 && p < 1
          ? phrase('chance-over', 0, { p: percent(0.99) })
          : percent(p);
    return `${words.chances.at(at)} – ${figure}`;
  };

  // The end of the wait that was promised stands, by the server's clock. It is put off only when what is measured
  // is later by more than a little, and then the page says why.
  const kept = `ropeline-${state.ticket}`;
  let [promise, why] = [0, ''];
  try {
    [promise, why] = JSON.parse(sessionStorage[kept] || '[0,""]');
  } catch {
    /* then it stands as long as this page does */
  }
  const promised = () => {
    const range = state.eta_seconds;
    if (!range) return null;
    const time = Date.parse(state.server_time) / 1e3;
    const end = time + range.high;
    if (promise && end > promise + Math.max(15, range.high / 10)) {
      promise = end;
      why = state.wait_reason || 'slower';
    } else {
      if (!promise || end < promise) promise = end;
      if (!state.wait_reason) why = '';
    }
    try {
      sessionStorage[kept] = JSON.stringify([promise, why]);
    } catch {
      /* as above */
    }
    const high = Math.max(0, promise - time);
    return { low: Math.min(range.low, high), high };
  };

  const render = () => {
    const { hold, stock, starts_at: start } = state;
    const checkout = /^(\/(?!\/)|https?:\/\/)/.test(state.checkout_url || '')
      ? state.checkout_url
      : null;
    const fields = {
      position: count(state.position),
      in_front: state.position ? count(state.position - 1) : '',
      behind: state.position ? count(Math.max(0, state.waiting - state.position)) : '',
      waiting: count(state.waiting),
      eta: wait(promised()),
      notice: state.notice || '',
      chance: odds(state.chance),
      unit: count(hold && hold.unit),
      order: (hold && hold.order && hold.order.id) || '',
    };
    const again =
      state.rejoin && ['expired', 'released', 'left', 'moved'].includes(state.state);
    const flags = {
      notice: !!state.notice,
      paused: !!state.paused && state.state === 'waiting',
      chance: state.chance != null,
      hopeless: state.chance != null && state.chance < 0.01,
      return_known: !!state.next_return_at,
      return_unknown: !state.next_return_at,
      start_known: !!start,
      start_unknown: !start,
      checkout: !!checkout,
      no_checkout: !checkout,
      rejoin: !!again,
      may_move: moving(),
      may_leave: ['scheduled', 'waiting'].includes(state.state),
      alerts: ['scheduled', 'waiting'].includes(state.state) && 'AudioContext' in window,
    };
    stockFields(stock, fields, flags);
    // The pace so far says nothing while nobody can be let in.
    flags.eta = !!state.eta_seconds && !state.paused && !flags.all_held;
    flags.known = flags.eta || flags.chance;
    fill(fields, flags);
    all('[data-reason]').forEach((words) => {
      words.hidden = !flags.eta || words.dataset.reason !== why;
    });
    showTimes({
      starts_at: start,
      next_return_at: state.next_return_at,
      expires_at: hold && hold.expires_at,
    });
    if (checkout) document.querySelector('[data-checkout]').href = checkout;
    all('[data-when]').forEach((part) => {
      part.hidden = part.dataset.when !== state.state;
    });
    favicon.href = state.state === 'admitted' ? favicon.dataset.turn : restIcon;
    tick();
  };

  const alertShopper = () => {
    if (!sound) return; // only who asked for it
    [0, 0.3, 0.6].forEach((after) => {
      const [tone, volume] = [sound.createOscillator(), sound.createGain()];
      tone.frequency.value = 880;
      volume.gain.value = 0.2;
      tone.connect(volume).connect(sound.destination);
      tone.start(sound.currentTime + after);
      tone.stop(sound.currentTime + after + 0.15);
    });
    if (navigator.vibrate) navigator.vibrate([200, 100, 200]);
    try {
      if (document.hidden && Notification.permission === 'granted')
        new Notification(speaker.textContent);
    } catch {
      /* some phones only notify from a service worker */
    }
  };
  const changed = () => {
    say(true);
    const section = document.querySelector('[data-when]:not([hidden])');
    const focus = document.activeElement;
    // Do not take the focus from somebody who is using something that is still there.
    if (!focus || focus === document.body || focus.closest('[hidden]')) {
      const heading = section && section.querySelector('h2');
      if (heading) heading.focus();
    }
    if (state.state === 'admitted') alertShopper();
  };
  const take = (next) => {
    // An error answer has a type and no state; an older version than what is shown is dropped.
    if (next.type || next.version < state.version) return;
    const turned = next.state !== state.state;
    state = next;
    arrived = now();
    [failed, tries, asked] = [0, 0, 0];
    render();
    if (turned) changed();
    else say(false);
    if (!moving()) stop();
  };

  // The connection: WebSocket, else server-sent events, else polling.
  const OPEN_MS = 8e3; // a socket that has not opened by then will not
  const ways = ['socket', 'events', 'poll'];
  let [way, tries, failed, polls] = [0, 0, 0, 0];
  let [link, timer, asked] = [null, 0, 0];
  let heard = false; // whether this link has told us anything
  let stopped = false;
  // The tabs of one place share what any of them is told. A tab that gave way to newer ones keeps no connection
  // of its own: it listens to them, and polls while they are silent.
  let gaveWay = false;
  let shared = -1e9; // when another tab told something
  const tabs = window.BroadcastChannel ? new BroadcastChannel(path) : { postMessage() {} };
  tabs.onmessage = ({ data }) => {
    if (stopped) return;
    shared = now();
    take(JSON.parse(data));
  };

  const drop = () => {
    clearTimeout(timer);
    if (link) {
      [link.onclose, link.onerror, link.onmessage] = [null, null, null];
      link.close();
    }
    link = null;
    asked = 0;
    heard = false;
  };
  const hear = ({ data }) => {
    heard = true;
    tabs.postMessage(data);
    take(JSON.parse(data));
  };
  const stop = () => {
    stopped = true;
    drop();
    tick();
  };
  const later = (ms) => {
    drop();
    if (!stopped) timer = setTimeout(connect, ms);
  };
  const backOff = (least = 0) => {
    // Full jitter: a crowd that lost its gateway does not come back in one wave.
    later(least + Math.random() * Math.min(30e3, 1e3 * 2 ** failed));
    failed += 1;
  };
  const lost = () => {
    const spread = heard ? state.reconnect_after_ms : null;
    tries += 1;
    if (tries >= 2 && way < 2) [way, tries, failed] = [way + 1, 0, 0];
    // The server knows how large the crowd is that lost it, and spreads its first retries.
    if (spread == null) backOff();
    else later(spread);
  };
  // The place went to another device: the last that this one shows.
  const moved = () => {
    take({ ...state, state: 'moved', notice: null, rejoin: true });
  };
  const giveWay = () => {
    [gaveWay, way, tries, failed] = [true, 2, 0, 0];
    later(Math.random() * 3e3);
  };
  const closed = ({ code, reason }) => {
    if (code === 1008 && reason === 'moved') moved();
    else if (code === 1000) {
      way = 2; // a last look, should the final state not have reached us
      later(Math.random() * 1e3);
    } else if (code === 1001) {
      later(Math.random() * 3e3);
    } else if (code === 1008) {
      giveWay();
    } else if (code === 1013) {
      failed = Math.max(failed, 3);
      backOff(2e3);
    } else lost();
  };
  const adopt = (socket) => {
    link = socket;
    link.onmessage = hear;
    link.onclose = closed;
  };
  const open = () =>
    new WebSocket(`${location.origin.replace(/^http/, 'ws')}${path}/live`, ['ropeline.v1']);
  const socket = () => {
    adopt(open());
    timer = setTimeout(() => {
      if (link && link.readyState === 0) lost();
    }, OPEN_MS);
  };
  // While polling, tries whether a socket works again; polling goes on until it does.
  const probe = () => {
    const trial = open();
    const end = setTimeout(() => trial.close(), OPEN_MS);
    trial.onmessage = (event) => {
      clearTimeout(end);
      if (stopped || way !== 2) return trial.close();
      drop();
      way = 0;
      adopt(trial);
      hear(event);
    };
  };
  const events = () => {
    link = new EventSource(`${path}/events`);
    link.addEventListener('state', hear);
    link.addEventListener('displaced', giveWay);
    link.onerror = lost;
  };
  const ask = async () => {
    const answer = await fetch(path, {
      cache: 'no-store',
      signal: AbortSignal.timeout && AbortSignal.timeout(10e3),
    });
    if (answer.ok) {
      take(await answer.json());
      return 0;
    }
    if (answer.status === 401 && (await answer.json()).code === 'moved') {
      moved();
      return 0;
    }
    if ([401, 403, 404].includes(answer.status) && reload()) stop();
    return (Number(answer.headers.get('retry-after')) || 1) * 1e3;
  };
  const poll = async () => {
    if (gaveWay && now() - shared < 10e3) return later(5e3);
    try {
      const retry = await ask();
      if (stopped || link) return;
      if (retry) {
        backOff(retry);
        return;
      }
      polls += 1;
      if (polls % 12 === 0 && !gaveWay) probe();
      later(Math.max(1, state.next_poll_seconds || 5) * 1e3 * (0.85 + Math.random() * 0.3));
    } catch {
      backOff();
    }
  };
  const connect = () => {
    drop();
    if (stopped) return;
    if (ways[way] === 'socket') socket();
    else if (ways[way] === 'events') events();
    else poll();
  };
  const wake = () => {
    if (stopped || document.hidden) return;
    if (link && link.readyState === 1 && link.send) {
      asked = now();
      link.send('{"type":"position"}');
    } else {
      [gaveWay, way, tries, failed] = [false, 0, 0, 0];
      connect();
    }
  };

  const tick = () => {
    const age = now() - arrived;
    const poll = way === 2 ? (state.next_poll_seconds || 5) * 1.15 + 5 : 0;
    const patience = Math.max(gaveWay ? 20 : 10, poll) * 1e3;
    const old = !stopped && (age > patience || navigator.onLine === false);
    fill(
      { left: span(secondsLeft()), age: phrase('news-old', Math.round(age / 1e3)) },
      { fresh: !stopped && !old, old },
    );
    const name = room.dataset.title;
    const news = {
      admitted: `${span(secondsLeft())} – ${speaker.dataset.title}`,
      waiting: count(state.position),
    };
    document.title = news[state.state] ? `${news[state.state]} – ${name}` : name;
    if (state.state === 'admitted' && secondsLeft() === 60) say(true);
    if (stopped || document.hidden) return;
    if (asked && now() - asked > 4e3)
      lost(); // an open socket that does not answer is dead
    else if (!asked && age > 8e3 && link && link.readyState === 1) {
      asked = now();
      if (link.send) link.send('{"type":"position"}');
      else ask().catch(() => {});
    }
  };

  const button = document.querySelector('[data-alert]');
  button.onclick = () => {
    const on = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', on);
    sound = on ? sound || new AudioContext() : null;
    if (on && window.Notification && Notification.permission === 'default')
      Notification.requestPermission();
  };
  addEventListener('online', wake);
  document.addEventListener('visibilitychange', wake);
  // What a reload would ask for is the room, not another link.
  if (document.querySelector('[data-link]')) history.replaceState(null, '', room.dataset.room);
  showTimes();
  render();
  setInterval(tick, 1e3);
  if (moving()) connect();
  else stop();
})();
