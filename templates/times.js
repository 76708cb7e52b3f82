// Tells each time in the operator's own time zone too. Forms and tables are in UTC without this script.
(() => {
  'use strict';
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const local = new Intl.DateTimeFormat('en-GB', {
    dateStyle: 'medium',
    timeStyle: 'short',
    timeZone: zone,
  });
  const span = (seconds) => {
    const parts = [
      [Math.floor(seconds / 86400), 'd'],
      [Math.floor(seconds / 3600) % 24, 'h'],
      [Math.floor(seconds / 60) % 60, 'min'],
    ].filter(([count]) => count > 0);
    return parts.length ? parts.map(([count, unit]) => `${count} ${unit}`).join(' ') : `${seconds} s`;
  };
  const distance = (at) => {
    const seconds = Math.round((at - Date.now()) / 1e3);
    return seconds >= 0 ? `in ${span(seconds)}` : `${span(-seconds)} ago`;
  };
  const says = (at) => `${local.format(at)} in ${zone}, ${distance(at)}`;
  document.querySelectorAll('[data-moment]').forEach((input) => {
    const line = document.querySelector(`[data-moment-says="${input.id}"]`);
    const show = () => {
      // A day alone ends with that day.
      const text = /^\d+-\d+-\d+$/.test(input.value) ? `${input.value}T23:59:59` : input.value;
      const at = Date.parse(`${text}Z`);
      const words = Number.isNaN(at) ? '' : `That is ${says(at)}.`;
      line.hidden = words === '';
      if (line.textContent !== words) line.textContent = words;
    };
    input.addEventListener('input', show);
    show();
    setInterval(show, 5e3);
  });
  document.querySelectorAll('time[data-local]').forEach((time) => {
    time.after(` (${local.format(Date.parse(time.getAttribute('datetime')))} in ${zone})`);
  });
})();
