/**
 * Packs a directory into the `.tar.zst` that the binary embeds.
 *
 * The same tree gives the same bytes on every machine: sorted, no owners, no times. Plain ustar with paths under 100
 * bytes, directories before what is in them: src/engines reads exactly this and nothing more.
 */
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";

const BLOCK = 512;
/** Level 9 unpacks as fast as level 3 and is 8 % smaller; 15 saves 1 % more and takes eight times as long. */
const ZSTD_LEVEL = 9;

/** Directories, files and symlinks below `directory`; throws on anything else and on a path of 100 bytes or more. */
export async function pack(directory: string): Promise<Uint8Array> {
  const blocks: Uint8Array[] = [];
  const names = (await readdir(directory, { recursive: true })).sort();
  for (const name of names) {
    const path = join(directory, name);
    const stat = await lstat(path);
    if (stat.isDirectory()) blocks.push(header(`${name}/`, 0o755, 0, "5"));
    else if (stat.isSymbolicLink()) blocks.push(header(name, 0o777, 0, "2", await readlink(path)));
    else if (stat.isFile()) {
      // Only the executable bit is the tree's own; the rest depends on the umask of the machine that built it.
      blocks.push(header(name, stat.mode & 0o100 ? 0o755 : 0o644, stat.size, "0"));
      blocks.push(await Bun.file(path).bytes(), new Uint8Array((BLOCK - (stat.size % BLOCK)) % BLOCK));
    } else throw new Error(`cannot pack ${path}: neither directory, file nor symlink`);
  }
  blocks.push(new Uint8Array(2 * BLOCK));
  return await Bun.zstdCompress(Buffer.concat(blocks), { level: ZSTD_LEVEL });
}

function header(name: string, mode: number, size: number, type: string, link = ""): Uint8Array {
  if (Buffer.byteLength(name) >= 100 || Buffer.byteLength(link) >= 100) throw new Error(`path too long: ${name}`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number) =>
    block.write(value.toString(8).padStart(length - 1, "0"), at);
  block.write(name, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8); // owner
  octal(0, 116, 8); // group
  octal(size, 124, 12);
  octal(0, 136, 12); // time
  block.write("        ", 148); // the checksum counts itself as blanks
  block.write(type, 156);
  block.write(link, 157);
  block.write("ustar\x0000", 257);
  const checksum = block.reduce((sum, byte) => sum + byte, 0);
  block.write(`${checksum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}
