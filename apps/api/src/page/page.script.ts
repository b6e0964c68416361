/** Runs in the browser. What came from a file or from the server is set as text, never as HTML. */
export const SCRIPT = `
'use strict';
(() => {
  const POLL_MS = 300;
  const RETRY_MS = 1500;
  const PARALLEL_UPLOADS = 2; // A browser has few connections per host, and polling needs some of them.
  const FINAL = ['completed', 'failed', 'cancelled'];
  const byId = (id) => document.getElementById(id);
  const maxBytes = Number(document.body.dataset.maxBytes);
  const queue = [];
  let uploading = 0;

  function size(bytes) {
    if (bytes < 1024) return bytes + ' B';
    const units = ['KiB', 'MiB', 'GiB'];
    let value = bytes / 1024;
    let unit = 0;
    while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
    return value.toFixed(value < 10 ? 1 : 0) + ' ' + units[unit];
  }

  function addCard(file) {
    const card = byId('card').content.firstElementChild.cloneNode(true);
    const part = (selector) => card.querySelector(selector);
    part('.name').textContent = file.name;
    part('.name').title = file.name;
    part('.size').textContent = size(file.size);
    part('progress').setAttribute('aria-label', 'Progress of ' + file.name);
    part('.cancel').setAttribute('aria-label', 'Cancel ' + file.name);
    byId('list-title').hidden = false;
    byId('list').prepend(card);
    const ui = { card, part, file, logCount: 0 };
    part('.cancel').addEventListener('click', () => ui.cancel());
    return ui;
  }

  function show(ui, state, text) {
    if (ui.card.dataset.state !== state) {
      ui.card.dataset.state = state;
      byId('announcer').textContent = ui.file.name + ': ' + text;
    }
    ui.part('.pill').textContent = text;
  }

  function progress(ui, percent, label) {
    ui.part('progress').value = percent;
    ui.part('.percent').textContent = label || Math.floor(percent) + ' %';
  }

  function message(ui, text) {
    ui.part('.message').textContent = text || '';
    ui.part('.message').hidden = !text;
  }

  function end(ui, state, text, why) {
    ui.ended = true;
    show(ui, state, text);
    message(ui, why);
    ui.part('.cancel').hidden = true;
  }

  function upload(ui) {
    uploading += 1;
    const request = new XMLHttpRequest();
    ui.cancel = () => request.abort();
    show(ui, 'uploading', 'uploading');
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) progress(ui, (event.loaded / event.total) * 100);
    };
    request.onload = () => {
      let body = {};
      try { body = JSON.parse(request.responseText); } catch { /* The status says enough. */ }
      if (request.status === 202) follow(ui, body.id);
      else end(ui, 'failed', 'refused', body.message || 'The server answered ' + request.status + '.');
    };
    request.onerror = () => end(ui, 'failed', 'not sent', 'The upload failed: the server cannot be reached.');
    request.onabort = () => end(ui, 'cancelled', 'cancelled', 'Cancelled while it was being sent.');
    request.onloadend = () => { uploading -= 1; next(); };
    request.open('POST', '/documents');
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.send(ui.file);
  }

  function next() {
    while (uploading < PARALLEL_UPLOADS && queue.length > 0) upload(queue.shift());
  }

  function follow(ui, id) {
    const address = '/documents/' + encodeURIComponent(id);
    ui.part('.id').textContent = id;
    progress(ui, 0);
    show(ui, 'waiting', 'waiting');
    ui.cancel = () => {
      ui.part('.cancel').disabled = true;
      fetch(address, { method: 'DELETE' }).catch(() => { ui.part('.cancel').disabled = false; });
    };
    const poll = async () => {
      let wait = POLL_MS;
      try {
        const response = await fetch(address, { cache: 'no-store' });
        if (response.status === 404) return end(ui, 'failed', 'unknown', 'The server does not know this document any more.');
        if (!response.ok) throw new Error('status ' + response.status);
        message(ui);
        render(ui, await response.json(), address);
      } catch {
        wait = RETRY_MS;
        message(ui, 'The server does not answer. Trying again.');
      }
      if (!ui.ended) setTimeout(poll, wait);
    };
    poll();
  }

  function render(ui, view, address) {
    show(ui, view.status, view.attempt > 1 ? view.status + ', attempt ' + view.attempt : view.status);
    progress(ui, view.progress, view.status === 'active' ? view.progressLabel : undefined);
    logs(ui, view.logs);
    if (view.result) facts(ui, view);
    if (view.status === 'completed') {
      const link = ui.part('.artifact');
      link.href = address + '/artifact';
      link.hidden = false;
    }
    const failure = view.error ? view.error.message : undefined;
    if (FINAL.includes(view.status)) end(ui, view.status, view.status, view.status === 'completed' ? undefined : failure);
    else if (failure) message(ui, failure);
  }

  function logs(ui, entries) {
    if (entries.length === ui.logCount) return;
    ui.logCount = entries.length;
    const box = ui.part('.logs');
    box.hidden = false;
    box.querySelector('summary').textContent = 'Log, ' + entries.length + (entries.length === 1 ? ' line' : ' lines');
    box.querySelector('ol').replaceChildren(...entries.map(({ at, level, message, meta }) => {
      const line = document.createElement('li');
      const detail = meta === undefined ? '' : ' ' + JSON.stringify(meta);
      line.textContent = new Date(at).toLocaleTimeString() + ' ' + level + ' ' + message + detail;
      return line;
    }));
  }

  function facts(ui, view) {
    const { sha256, bytes, compressedBytes, ratio, lines, words } = view.result;
    const seconds = (Date.parse(view.finishedAt) - Date.parse(view.createdAt)) / 1000;
    const rows = [
      ['SHA-256', sha256, 'hash'],
      ['Size', bytes.toLocaleString() + ' bytes'],
      ['Compressed', compressedBytes.toLocaleString() + ' bytes (' + (ratio * 100).toFixed(1) + ' %)'],
    ];
    if (lines !== undefined) rows.push(['Lines', lines.toLocaleString()], ['Words', words.toLocaleString()]);
    if (seconds >= 0) rows.push(['Took', seconds.toFixed(2) + ' s']);
    const box = ui.part('.facts');
    box.hidden = false;
    box.replaceChildren(...rows.flatMap(([term, value, kind]) => {
      const dt = document.createElement('dt');
      const dd = document.createElement('dd');
      dt.textContent = term;
      dd.textContent = value;
      if (kind) dd.className = kind;
      return [dt, dd];
    }));
  }

  function take(files) {
    for (const file of files) {
      const ui = addCard(file);
      if (file.size > maxBytes) {
        end(ui, 'failed', 'too large', 'Larger than the limit of ' + size(maxBytes) + '.');
        continue;
      }
      show(ui, 'queued', 'in line');
      ui.cancel = () => {
        queue.splice(queue.indexOf(ui), 1);
        end(ui, 'cancelled', 'cancelled', 'Cancelled before it was sent.');
      };
      queue.push(ui);
    }
    next();
  }

  const drop = byId('drop');
  const input = byId('files');
  byId('limit').textContent = 'Any kind, up to ' + size(maxBytes) + ' each';
  input.addEventListener('change', () => { take([...input.files]); input.value = ''; });
  // Everywhere on the page: a file that misses the zone must not replace the page.
  for (const type of ['dragenter', 'dragover', 'dragleave', 'drop']) {
    document.addEventListener(type, (event) => {
      event.preventDefault();
      drop.classList.toggle('over', type === 'dragenter' || type === 'dragover');
      if (type === 'drop') take([...event.dataTransfer.files]);
    });
  }
})();
`;
