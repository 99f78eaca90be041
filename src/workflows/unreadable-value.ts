/** What stands in place of a value that cannot be read (workflows/payload-converter.ts). As JSON it is the reason, a text. */
export class UnreadableValue {
  constructor(readonly reason: string) {}

  toJSON(): string {
    return this.reason;
  }
}
