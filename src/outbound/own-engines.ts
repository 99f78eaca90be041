/** Where the engines listen that actcore uses: no request may go there. */
export interface OwnEngines {
  /** By port of this host: what listens there, as words for a person. */
  readonly ports: ReadonlyMap<number, string>;
  /** By `host:port` of other hosts, as a URL has it (IPv6 in brackets): what listens there. */
  readonly elsewhere?: ReadonlyMap<string, string>;
  /** The IP addresses of this host besides loopback's. */
  readonly addresses?: readonly string[];
}
