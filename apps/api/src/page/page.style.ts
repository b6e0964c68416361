export const STYLE = `
:root {
  color-scheme: light dark;
  --bg: #f5f6f8; --card: #ffffff; --text: #1b1f27; --muted: #5d6675; --line: #dfe3ea;
  --accent: #2f5bea; --accent-soft: #e9eefe; --ok: #14713d; --ok-soft: #dff5e7; --bad: #b3261e; --bad-soft: #fde8e6;
  --idle: #5d6675; --idle-soft: #eceff3; --track: #e6e9ef; --shadow: 0 1px 2px rgb(20 25 40 / 6%), 0 4px 16px rgb(20 25 40 / 5%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #12141a; --card: #1b1e26; --text: #e8eaf0; --muted: #9aa3b3; --line: #2c313c;
    --accent: #8aa6ff; --accent-soft: #222b47; --ok: #6fd79b; --ok-soft: #173325; --bad: #ff9a92; --bad-soft: #431f1d;
    --idle: #a8b0be; --idle-soft: #2a2f39; --track: #2a2f39; --shadow: none;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--bg); color: var(--text); font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }
h1 { margin: 0 0 .25rem; font-size: 1.75rem; letter-spacing: -.02em; }
h2 { margin: 2.25rem 0 .75rem; font-size: 1rem; }
header p { margin: 0 0 1.75rem; color: var(--muted); max-width: 38rem; }
.muted { color: var(--muted); font-size: .875rem; }
.link { color: var(--accent); text-decoration: underline; text-underline-offset: 3px; }
.drop { display: flex; flex-direction: column; align-items: center; gap: .5rem; padding: 2.5rem 1.5rem; text-align: center;
  border: 2px dashed var(--line); border-radius: 16px; background: var(--card); color: var(--text); cursor: pointer;
  transition: border-color .15s, background .15s; }
.drop svg { color: var(--accent); }
.drop-title { font-weight: 600; }
.drop:hover, .drop.over { border-color: var(--accent); background: var(--accent-soft); }
.drop:focus-within { outline: 3px solid var(--accent); outline-offset: 3px; }
.drop input { position: absolute; width: 1px; height: 1px; opacity: 0; }
.list { list-style: none; margin: 0; padding: 0; display: grid; gap: 1rem; }
.card { padding: 1.125rem 1.25rem; border: 1px solid var(--line); border-radius: 14px; background: var(--card); box-shadow: var(--shadow); }
.card-head { display: flex; align-items: baseline; justify-content: space-between; gap: 1rem; }
.name-line { min-width: 0; display: flex; align-items: baseline; gap: .75rem; }
.name { font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.size { white-space: nowrap; }
.pill { flex: none; padding: .125rem .625rem; border-radius: 99px; font-size: .8125rem; font-weight: 600; color: var(--idle); background: var(--idle-soft); }
.card[data-state='uploading'] .pill, .card[data-state='active'] .pill { color: var(--accent); background: var(--accent-soft); }
.card[data-state='completed'] .pill { color: var(--ok); background: var(--ok-soft); }
.card[data-state='failed'] .pill { color: var(--bad); background: var(--bad-soft); }
.bar-line { display: flex; align-items: center; gap: .75rem; margin-top: .75rem; }
progress { flex: 1; min-width: 0; height: 8px; appearance: none; border: 0; border-radius: 99px; overflow: hidden; background: var(--track); }
progress::-webkit-progress-bar { background: var(--track); }
progress::-webkit-progress-value { background: var(--accent); border-radius: 99px; transition: width .25s; }
progress::-moz-progress-bar { background: var(--accent); border-radius: 99px; }
.card[data-state='completed'] progress::-webkit-progress-value { background: var(--ok); }
.card[data-state='completed'] progress::-moz-progress-bar { background: var(--ok); }
.card[data-state='failed'] progress::-webkit-progress-value { background: var(--bad); }
.card[data-state='failed'] progress::-moz-progress-bar { background: var(--bad); }
.card[data-state='cancelled'] progress::-webkit-progress-value { background: var(--muted); }
.card[data-state='cancelled'] progress::-moz-progress-bar { background: var(--muted); }
.percent { min-width: 8.5rem; text-align: right; font-variant-numeric: tabular-nums; }
.message { margin: .75rem 0 0; padding: .5rem .75rem; border-radius: 8px; font-size: .9375rem; color: var(--bad); background: var(--bad-soft); }
.card[data-state='cancelled'] .message { color: var(--idle); background: var(--idle-soft); }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; margin: 1rem 0 0; font-size: .9375rem; }
.facts dt { color: var(--muted); }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
.facts dd.hash { font: .8125rem/1.7 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; user-select: all; }
.logs { margin-top: .875rem; font-size: .875rem; }
.logs summary { cursor: pointer; color: var(--muted); width: max-content; }
.logs ol { list-style: none; margin: .5rem 0 0; padding: .625rem .75rem; border-radius: 8px; background: var(--bg);
  font: .8125rem/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.actions { display: flex; align-items: center; flex-wrap: wrap; gap: .5rem 1rem; margin-top: 1rem; }
.actions button, .actions .artifact { font: inherit; font-size: .875rem; font-weight: 600; padding: .375rem .875rem; border-radius: 8px;
  border: 1px solid var(--line); background: transparent; color: inherit; cursor: pointer; text-decoration: none; }
.actions .artifact { color: var(--accent); border-color: currentColor; }
.actions button:hover, .actions .artifact:hover { background: var(--accent-soft); }
:is(button, a, summary):focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.id { margin-left: auto; font: .75rem ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.sr-only { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 34rem) { main { padding-top: 1.5rem; } .percent { min-width: 3rem; } .id { display: none; } }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
`;
