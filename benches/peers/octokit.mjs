// A receiver made of the real @octokit/webhooks, as its manual shows it: verifies, parses, calls a
// handler. Stores nothing. Says its address in the first line of its output.
import { createServer } from "node:http";
import { Webhooks, createNodeMiddleware } from "@octokit/webhooks";

const webhooks = new Webhooks({ secret: process.env.SECRET });
let failed = 0;
webhooks.on("workflow_run", ({ payload }) => {
  if (payload.workflow_run.conclusion === "failure") failed += 1;
});
const server = createServer(createNodeMiddleware(webhooks, { path: process.env.WEBHOOK_PATH }));
server.listen(0, "127.0.0.1", () => {
  const { address, port } = server.address();
  console.log(`${address}:${port}`);
});
