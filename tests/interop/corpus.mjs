// Writes every payload example of @octokit/webhooks-examples (github.com and every GitHub
// Enterprise Server folder), signed by the real @octokit/webhooks-methods, as JSON lines:
// {source, event, number, body, signature}. Nothing about signing is written here.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { sign } from "@octokit/webhooks-methods";

// Known to the Rust side, too; a test checks that both agree.
const SECRET = "interop-secret-of-forty-characters-or-so";

const packageFile = createRequire(import.meta.url).resolve(
  "@octokit/webhooks-examples/package.json",
);
const root = dirname(packageFile);
const folders = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== "node_modules")
  .map((entry) => entry.name)
  .sort();

for (const source of folders) {
  const events = JSON.parse(readFileSync(join(root, source, "index.json"), "utf8"));
  for (const { name, examples } of events) {
    for (const [number, payload] of examples.entries()) {
      const body = JSON.stringify(payload);
      const signature = await sign(SECRET, body);
      process.stdout.write(
        JSON.stringify({ source, event: name, number, body, signature }) + "\n",
      );
    }
  }
}
