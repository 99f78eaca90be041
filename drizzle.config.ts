import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "postgresql",
  schema: ["./src/postgres/schema.ts", "./src/postgres/definition-tables.ts", "./src/postgres/ledger-tables.ts", "./src/postgres/flow-tables.ts", "./src/postgres/task-tables.ts"],
  out: "./src/postgres/migrations",
  migrations: { prefix: "index" },
});
