/**
 * The time zones that a Go program knows on every machine. One that imports time/tzdata carries Go's zoneinfo.zip in its
 * binary, so they are read from there: from the engine that will be asked, not from a list beside it.
 */

const END_OF_DIRECTORY = Buffer.from("PK\x05\x06", "latin1");
const DIRECTORY_ENTRY = Buffer.from("PK\x01\x02", "latin1");
/** Tells the archive from anything else that looks like one. */
const SURELY_THERE = "Europe/Berlin";

/** Their IANA names, sorted. */
export function readTimeZones(binary: Buffer): string[] {
  for (let end = binary.indexOf(END_OF_DIRECTORY); end >= 0; end = binary.indexOf(END_OF_DIRECTORY, end + 1)) {
    const names = readDirectory(binary, end);
    if (names.includes(SURELY_THERE)) return names.filter((name) => !name.endsWith("/")).sort();
  }
  throw new Error("the engine's binary holds no zone database: does it still import time/tzdata?");
}

/** The names in a zip archive whose end record is at `end`; few or none where it is no such record. */
function readDirectory(binary: Buffer, end: number): string[] {
  const names: string[] = [];
  if (end + 16 > binary.length) return names;
  let at = end - binary.readUInt32LE(end + 12);
  while (at >= 0 && at < end && DIRECTORY_ENTRY.equals(binary.subarray(at, at + 4))) {
    const [name, extra, comment] = [28, 30, 32].map((offset) => binary.readUInt16LE(at + offset)) as [
      number,
      number,
      number,
    ];
    names.push(binary.toString("latin1", at + 46, at + 46 + name));
    at += 46 + name + extra + comment;
  }
  return names;
}
