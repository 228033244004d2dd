'use strict';
// Tables sort by their headings. Without this the page is the same, in the order it was written.
(() => {
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value ?? cell.textContent.trim();
  };
  const compare = (one, other) => {
    const [a, b] = [Number(one), Number(other)];
    return Number.isNaN(a) || Number.isNaN(b)
      ? one.localeCompare(other, undefined, { numeric: true }) : a - b;
  };
  const sort = (table, head, column) => {
    const down = head.getAttribute('aria-sort') === 'ascending';
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [key(row, column), row]);
    const missing = rows.filter(([value]) => value === '');
    const there = rows.filter(([value]) => value !== '');
    there.sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)));
    body.append(...[...there, ...missing].map(([, row]) => row));
    for (const other of table.tHead.rows[0].cells) {
      if (other.hasAttribute('aria-sort')) other.setAttribute('aria-sort', 'none');
    }
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
  };
  for (const table of document.querySelectorAll('table.sortable')) {
    if (table.tBodies[0].rows.length < 2) continue;
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute('aria-sort', 'none');
      button.addEventListener('click', () => sort(table, head, column));
    });
  }
  const all = document.getElementById('open-all');
  if (all) {
    all.hidden = false;
    all.addEventListener('click', () => {
      const open = all.getAttribute('aria-pressed') !== 'true';
      for (const part of document.querySelectorAll('details')) part.open = open;
      all.setAttribute('aria-pressed', String(open));
    });
  }
  const reveal = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    for (let part = target; part; part = part.parentElement) {
      if (part.tagName === 'DETAILS') part.open = true;
    }
    if (target) target.scrollIntoView();
  };
  addEventListener('hashchange', reveal);
  reveal();
})();
