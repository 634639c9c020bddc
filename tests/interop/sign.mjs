// Signs with the real @octokit/webhooks-methods: reads JSON lines {secret, body} from standard
// input and writes a line with the signature for each.
import { createInterface } from "node:readline";
import { sign } from "@octokit/webhooks-methods";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, body } = JSON.parse(line);
  process.stdout.write((await sign(secret, body)) + "\n");
}
