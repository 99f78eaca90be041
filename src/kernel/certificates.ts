/**
 * Certificates of a company's own authority, trusted besides the usual ones.
 *
 * What connects by node:tls (Postgres, NATS, Temporal's client) trusts them once the process was told to; fetch and
 * Temporal's native core have to be given them.
 */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";

export interface TrustedFile {
  /** Absolute. */
  readonly path: string;
  /** The usual certificates and those of the file, as PEM. */
  readonly trusted: readonly string[];
}

/** @throws Error whose message says what was expected of the file and where it is not so */
export function readTrustedFile(name: string): TrustedFile {
  const path = resolve(name);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`expected a file of PEM certificates, and it cannot be read: ${(error as Error).message}`);
  }
  const certificates = text.match(/-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs) ?? [];
  if (certificates.length === 0) throw new Error("expected a file of PEM certificates, and it has none");
  certificates.forEach((certificate, index) => {
    try {
      new X509Certificate(certificate);
    } catch {
      throw new Error(`expected a file of PEM certificates, and its certificate ${index + 1} is none`);
    }
  });
  return { path, trusted: [...getCACertificates("default"), ...certificates] };
}

/** From now on what connects by node:tls trusts these, in the whole process. */
export function trustInProcess({ trusted }: TrustedFile): void {
  setDefaultCACertificates(trusted);
}
