/** A real mail server (aiosmtpd) for tests: test/clients/python/smtp_server.py says what it does. */
import { join } from "node:path";

export interface ReceivedMail {
  from: string;
  to: string[];
  tls: boolean;
  login: boolean;
  /** Its headers and its body, as they came. */
  content: string;
}

const SCRIPT = join(import.meta.dir, "../clients/python/smtp_server.py");

/** @param options certificate, key, user and password, as far as it is to have them; an empty text is none */
export async function startSmtpServer(python: string, ...options: string[]) {
  const child = Bun.spawn([python, SCRIPT, ...options], { stdio: ["ignore", "pipe", "ignore"] });
  const received: ReceivedMail[] = [];
  const port = await new Promise<number>((resolve, reject) => {
    const read = async () => {
      let rest = "";
      for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines)
          if (/^\d+$/.test(line)) resolve(Number(line));
          else received.push(JSON.parse(line));
      }
      reject(new Error("the mail server ended"));
    };
    read().catch(reject);
  });
  return {
    port,
    received,
    async stop() {
      child.kill();
      await child.exited;
    },
  };
}

/** The value of a header, unfolded; undefined where the mail has none. */
export function headerOf({ content }: ReceivedMail, name: string): string | undefined {
  const [head = ""] = content.split(/\r?\n\r?\n/, 1);
  const lines = head.replace(/\r?\n[ \t]+/g, " ").split(/\r?\n/);
  return lines
    .find((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
    ?.slice(name.length + 1)
    .trim();
}
