/** Runs `main` of a build script: a failure is one message without a stack, for it names what is wrong, and status 1. */
export async function runScript(main: () => Promise<unknown>): Promise<void> {
  try {
    await main();
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
