import { createHash } from 'node:crypto';
import { SCRIPT } from './page.script.js';
import { STYLE } from './page.style.js';

/** Allows inline code by its hash, so that no other code can ever run in the page. */
const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

export const CONTENT_SECURITY_POLICY = {
  defaultSrc: ["'none'"],
  scriptSrc: [hashOf(SCRIPT)],
  styleSrc: [hashOf(STYLE)],
  connectSrc: ["'self'"],
  imgSrc: ['data:'],
  baseUri: ["'none'"],
  formAction: ["'none'"],
  frameAncestors: ["'none'"],
};

/** The whole page in one answer: nothing is loaded from anywhere. */
export function renderPage(maxBytes: number): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Documents · OqronKit</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body data-max-bytes="${maxBytes}">
<main>
<header>
<h1>Document digest</h1>
<p>Drop files to hash, count and compress them. Each one is a background job; what you see is its live record.</p>
</header>
<label class="drop" id="drop">
<input type="file" id="files" multiple>
<svg viewBox="0 0 24 24" width="36" height="36" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.6"
 stroke-linecap="round" stroke-linejoin="round"><path d="M12 16V4m0 0L7 9m5-5 5 5M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3"/></svg>
<span class="drop-title">Drop files here, or <span class="link">choose them</span></span>
<span class="muted" id="limit"></span>
</label>
<section aria-labelledby="list-title">
<h2 id="list-title" hidden>Documents</h2>
<ol class="list" id="list"></ol>
</section>
<p class="sr-only" role="status" aria-live="polite" id="announcer"></p>
</main>
<template id="card">
<li class="card">
<div class="card-head">
<div class="name-line"><span class="name"></span><span class="muted size"></span></div>
<span class="pill"></span>
</div>
<div class="bar-line"><progress max="100" value="0"></progress><span class="percent muted"></span></div>
<p class="message" hidden></p>
<dl class="facts" hidden></dl>
<details class="logs" hidden><summary></summary><ol></ol></details>
<div class="actions">
<button type="button" class="cancel">Cancel</button>
<a class="artifact" hidden>Download compressed</a>
<span class="muted id"></span>
</div>
</li>
</template>
<script>${SCRIPT}</script>
</body>
</html>
`;
}
