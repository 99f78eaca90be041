/** Signs of life for a person who waits: a line when a step starts, every ten seconds, and when it is done. */

const HEARTBEAT_MS = 10_000;

/** Runs `step`, reporting on stderr. A step that takes under a second is worth one line. */
export async function progress<T>(title: string, step: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const elapsed = () => `${((performance.now() - started) / 1000).toFixed(0)} s`;
  console.error(`  ${title} …`);
  const heartbeat = setInterval(() => console.error(`  ${title} … ${elapsed()}`), HEARTBEAT_MS);
  try {
    const result = await step();
    if (performance.now() - started > 1000) console.error(`  ${title}: done in ${elapsed()}`);
    return result;
  } finally {
    clearInterval(heartbeat);
  }
}
