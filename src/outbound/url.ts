/** A URL as an error may show it: without user, password and query, in which there may be a secret. */
export function showUrl(url: string): string {
  return url.replace(/\/\/[^/?#]*@/, "//***@").replace(/\?.*$/s, "?…");
}
