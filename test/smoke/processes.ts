/** Which processes are looked at: the API's, and those whose metrics are named. A restart would show in either. */
import type { ReadinessReport } from "../../src/kernel/readiness.ts";

export interface SeenProcess {
  /** Where it was asked. */
  url: string;
  pid: number;
  /** RFC 3339. */
  started_at: string;
  /** `process_start_time_seconds`; undefined where only the API was asked. */
  metric?: string;
  roles: string[];
}

/** @throws when one does not answer, or does not say which process it is */
export async function readProcesses(
  urls: { api: string; metrics: readonly string[] },
  signal: AbortSignal,
): Promise<SeenProcess[]> {
  const get = (url: string) => fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]) });
  const read = async (url: string): Promise<SeenProcess> => {
    const { process, roles } = (await (await get(`${url}/readyz`)).json()) as ReadinessReport;
    if (process === undefined) throw new Error(`${url}/readyz does not say which process it is: an older actcore?`);
    return { url, ...process, roles: Object.keys(roles) };
  };
  const readBoth = async (url: string): Promise<SeenProcess> => {
    const metrics = await (await get(`${url}/metrics`)).text();
    const metric = /^process_start_time_seconds (\S+)$/m.exec(metrics)?.[1];
    if (metric === undefined) throw new Error(`${url}/metrics has no process_start_time_seconds`);
    return { ...(await read(url)), metric };
  };
  return Promise.all([read(urls.api), ...urls.metrics.map(readBoth)]);
}

export function describeProcess({ url, pid, started_at, metric, roles }: SeenProcess): string {
  const asMetric = metric === undefined ? "" : `, process_start_time_seconds ${metric}`;
  return `${url}: ${roles.join(",")}: pid ${pid}, started ${started_at}${asMetric}`;
}
