/** Time that this process worked: unlike the clock's, it says the same on a busy machine. */

/** Milliseconds, since the call, when it is asked. */
export function startProcessorTime(): () => number {
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
}

/** Watches for how long at most the event loop was held by work of this thread, in milliseconds. */
export function watchStalls() {
  let longestMs = 0;
  let lastMs = threadMs();
  const look = () => {
    longestMs = Math.max(longestMs, threadMs() - lastMs);
    lastMs = threadMs();
  };
  const timer = setInterval(look, 1);
  return {
    end() {
      clearInterval(timer);
      look();
      return longestMs;
    },
  };
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
