/** A process of its own for http-task-time.test.ts: one http task whose receiver answers after the milliseconds of argv. */
import { createLog } from "../../src/kernel/log.ts";
import { executeHttp, httpAttempt } from "./http-attempt.ts";
import { startRawReceiver } from "./raw-receiver.ts";

const answerAfterMs = Number(process.argv[2]);
const receiver = await startRawReceiver((socket) => {
  setTimeout(() => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"), answerAfterMs);
});
const attempt = httpAttempt({ url: receiver.url, method: "GET" });
const context = { signal: AbortSignal.timeout(3_600_000), log: createLog("silent") };
const result = await executeHttp(attempt, context).catch(String);
process.stdout.write(JSON.stringify({ result, requests: receiver.requests.length }));
process.exit(0);
