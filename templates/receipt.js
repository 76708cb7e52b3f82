// Writes the time of the purchase by the shopper's own clock, with its zone. Without this script it is in UTC.
(() => {
  'use strict';
  const time = document.querySelector('[data-confirmed]');
  const { locale, dayTime } = time.dataset;
  const written = (style) => new Intl.DateTimeFormat(locale, style).format(new Date(time.dateTime));
  const day = dayTime.replace('{date}', written({ dateStyle: 'full' }));
  time.textContent = day.replace('{time}', written({ timeStyle: 'long' }));
})();
