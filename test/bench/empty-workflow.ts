/** The least that Temporal can run: the yardstick of bench.ts. */
export async function emptyWorkflow(): Promise<void> {}
