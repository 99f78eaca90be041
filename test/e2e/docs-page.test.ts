/** The documentation in a real browser that reaches nothing but the server. */

import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { createDirectory, SERVER_TIMEOUT_MS } from "../support/server.ts";
import { useServer } from "../support/shared-server.ts";

const CHROMIUM = "/usr/bin/chromium";
const missing = !existsSync(CHROMIUM);
if (missing) console.warn(`the test of /docs in a browser is skipped: there is no ${CHROMIUM}`);

test.skipIf(missing)(
  "/docs renders every operation in a browser whose requests to the outside are refused, and makes none",
  async () => {
    const server = await useServer();
    const { body: document } = await server.api("/openapi.json");
    const operations = Object.values(document.paths as Record<string, object>).flatMap((path) => Object.keys(path));
    const origin = `http://${server.flags.apiAddr}`;

    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
      env: { HOME: createDirectory(), PATH: "/usr/bin:/bin" },
    });
    try {
      const page = await browser.newPage({ viewport: { width: 1200, height: 1400 } });
      const outside: string[] = [];
      const errors: string[] = [];
      const refused: string[] = [];
      await page.route("**/*", async (route) => {
        const url = route.request().url();
        if (url.startsWith(`${origin}/`)) return route.continue();
        outside.push(url);
        return route.abort();
      });
      page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("response", (response) => response.ok() || refused.push(`${response.status()} ${response.url()}`));

      await page.goto(`${origin}/docs`);
      await page
        .locator(".opblock")
        .nth(operations.length - 1)
        .waitFor({ timeout: 15_000 });
      expect(await page.locator(".opblock").count()).toBe(operations.length);
      expect(operations.length).toBeGreaterThanOrEqual(10);

      // One opened, so that its schemas are rendered as well.
      await page.locator(".opblock-post .opblock-summary-control").first().click();
      await page.locator(".opblock-body .responses-wrapper").first().waitFor();
      const examples = await page.locator(".opblock-body .highlight-code").allInnerTexts();
      expect(examples[0]).toContain('"cron_expression": "0 9 * * MON-FRI"');
      expect(examples[1]).toContain('"name": "string"');
      const picture = process.env.ACTCORE_TEST_SCREENSHOTS;
      if (picture) await page.screenshot({ path: join(picture, "docs.png") });
      expect(outside).toEqual([]);
      expect(refused).toEqual([]);
      expect(errors).toEqual([]);
    } finally {
      await browser.close();
    }
  },
  SERVER_TIMEOUT_MS,
);
