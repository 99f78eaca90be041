import { expect, test } from "bun:test";
import { renderSchemas } from "../../deploy/build/schemas.ts";

for (const [name, text] of Object.entries(renderSchemas()))
  test(`docs/schemas/${name} says what the code checks (make schemas writes it)`, async () => {
    expect(await Bun.file(new URL(`../../docs/schemas/${name}`, import.meta.url)).text()).toBe(text);
  });
