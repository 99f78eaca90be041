/** The examples of docs/context.md: one that has sources only is made a definition. */
interface Example {
  name: string;
  context_sources: Record<string, unknown>[];
}

export async function readExamples(): Promise<{ text: string; examples: Example[] }> {
  const text = await Bun.file(new URL("../../docs/context.md", import.meta.url)).text();
  const blocks = [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block = ""]) => Bun.YAML.parse(block));
  const frame = { name: "example", trigger_config: { trigger_type: "event", event_type: "user.created" } };
  return { text, examples: blocks.map((block) => ({ ...frame, ...(block as Example) })) };
}
