// Debian's Chromium in front of a market: pages signed in as somebody, and what went wrong in any of them.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const axe = readFileSync(resolve(dirname(fileURLToPath(import.meta.url)), '../node_modules/axe-core/axe.min.js'), 'utf8');
export const desktop = { width: 1440, height: 900 };
export const phone = { width: 390, height: 844 };

export class Browser {
  troubles = []; // of every page: exceptions, and what the Content-Security-Policy refused
  strangers = []; // requests that left for another host than the market's

  static async launched(market) {
    const browser = new Browser();
    browser.market = market;
    browser.chromium = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
    return browser;
  }
  close = () => this.chromium.close();

  // A page of a fresh profile at `path`; with `who` signed in, and then where `path` led.
  async open(who, { viewport = desktop, colorScheme = 'light', path = '/', timezoneId } = {}) {
    const context = await this.chromium.newContext({ viewport, colorScheme, timezoneId, acceptDownloads: true });
    const page = await context.newPage();
    page.on('pageerror', (error) => this.troubles.push(`${page.url()}: ${error.message}`));
    page.on('console', (message) => {
      if (/Content Security Policy|Trusted Type|Uncaught/i.test(message.text())) this.troubles.push(`${page.url()}: ${message.text()}`);
    });
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (/^https?:$/.test(url.protocol) && url.origin !== this.market.url) this.strangers.push(request.url());
    });
    await page.goto(this.market.url + path);
    if (who) await this.sign_in(page, who);
    return page;
  }

  async sign_in(page, who) {
    await page.getByLabel('API key').fill(this.market.keys[who]);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('navigation', { name: 'Pages' }).waitFor();
  }
}

// Serious findings of axe. Its script is given by the test, past the policy of the page.
export async function findings(page) {
  await page.evaluate(axe);
  const result = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return result.violations
    .filter((one) => ['serious', 'critical'].includes(one.impact))
    .map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 140)).join(' | ')}`);
}
