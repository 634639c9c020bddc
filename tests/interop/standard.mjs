// Signs with the real standardwebhooks, and has it verify what Hookherd signed: reads JSON lines
// {key, id, timestamp, body, signature} from standard input, with the body in base64, and writes
// {signature, verifies} for each. Nothing about signing is written here.
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const { key, id, timestamp, body, signature } = JSON.parse(line);
  const webhook = new Webhook(key);
  const text = Buffer.from(body, "base64").toString("utf8");
  const made = webhook.sign(id, new Date(timestamp * 1000), text);
  let verifies = true;
  try {
    webhook.verify(text, {
      "webhook-id": id,
      "webhook-timestamp": String(timestamp),
      "webhook-signature": signature,
    });
  } catch {
    verifies = false;
  }
  process.stdout.write(JSON.stringify({ signature: made, verifies }) + "\n");
}
