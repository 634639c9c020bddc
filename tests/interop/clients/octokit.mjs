// @octokit/rest against a GitHub: looks around, makes twelve hooks, lists them over several pages,
// changes, pings and tests one, and deletes all others. What it sees must be what it asked for.
import assert from "node:assert/strict";
import { Octokit } from "@octokit/rest";

const { HOST, TOKEN, PROJECT, RECEIVER, SECRET } = process.env;
const api = new Octokit({ auth: TOKEN, baseUrl: HOST });
const [owner, repo] = PROJECT.split("/");

const me = await api.rest.users.getAuthenticated();
assert.equal(me.data.login, "ann");
const repository = await api.rest.repos.get({ owner, repo });
assert.equal(repository.data.full_name, PROJECT);
assert.equal(repository.data.permissions.admin, true);
const mine = await api.paginate(api.rest.repos.listForAuthenticatedUser, { per_page: 1 });
assert.equal(mine.length, 2);

for (let n = 0; n < 12; n += 1) {
  const made = await api.rest.repos.createWebhook({
    owner,
    repo,
    config: { url: `${RECEIVER}/${n}`, content_type: "json", secret: SECRET },
    events: ["push", "workflow_run"],
  });
  assert.equal(made.status, 201);
  assert.equal(made.data.config.secret, "********");
}
const all = await api.paginate(api.rest.repos.listWebhooks, { owner, repo, per_page: 5 });
assert.equal(all.length, 12);

const [kept, ...others] = all;
const hook_id = kept.id;
const edited = await api.rest.repos.updateWebhook({
  owner,
  repo,
  hook_id,
  config: { url: `${RECEIVER}/kept`, content_type: "form", secret: "another secret of theirs" },
  add_events: ["workflow_job"],
});
assert.equal(edited.data.config.url, `${RECEIVER}/kept`);
assert.deepEqual(edited.data.events.sort(), ["push", "workflow_job", "workflow_run"]);
// The client takes a setting named `url` for the address of the request, so that one is left out.
const config = await api.rest.repos.updateWebhookConfigForRepo({
  owner,
  repo,
  hook_id,
  content_type: "json",
  secret: SECRET,
});
assert.equal(config.data.url, `${RECEIVER}/kept`);
assert.equal(config.data.content_type, "json");
const read = await api.rest.repos.getWebhookConfigForRepo({ owner, repo, hook_id });
assert.equal(read.data.secret, "********");
assert.equal((await api.rest.repos.pingWebhook({ owner, repo, hook_id })).status, 204);
assert.equal((await api.rest.repos.testPushWebhook({ owner, repo, hook_id })).status, 204);
const log = await api.rest.repos.listWebhookDeliveries({ owner, repo, hook_id });
assert.deepEqual(log.data.map((item) => item.event), ["push", "ping", "ping"]);
const delivery_id = log.data[0].id;
const one = await api.rest.repos.getWebhookDelivery({ owner, repo, hook_id, delivery_id });
assert.equal(one.data.request.payload.repository.full_name, PROJECT);
const again = await api.rest.repos.redeliverWebhookDelivery({ owner, repo, hook_id, delivery_id });
assert.equal(again.status, 202);
for (const hook of others) {
  await api.rest.repos.deleteWebhook({ owner, repo, hook_id: hook.id });
}
await assert.rejects(api.rest.repos.getWebhook({ owner, repo, hook_id: others[0].id }), {
  status: 404,
});
