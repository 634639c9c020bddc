// @gitbeaker/rest against a GitLab: looks around, makes twelve hooks, lists them over several
// pages, changes one, and deletes all others. What it sees must be what it asked for.
import assert from "node:assert/strict";
import { Gitlab } from "@gitbeaker/rest";

const { HOST, TOKEN, PROJECT, RECEIVER } = process.env;
const api = new Gitlab({ host: HOST, token: TOKEN });

const me = await api.Users.showCurrentUser();
assert.equal(me.username, "ann");
const token = await api.PersonalAccessTokens.show();
assert.deepEqual(token.scopes, ["api"]);
const project = await api.Projects.show(PROJECT);
assert.equal(project.path_with_namespace, PROJECT);
assert.equal(project.permissions.project_access.access_level, 50);
const mine = await api.Projects.all({ membership: true, minAccessLevel: 40, perPage: 1 });
assert.equal(mine.length, 2);

for (let n = 0; n < 12; n += 1) {
  const made = await api.ProjectHooks.add(project.id, `${RECEIVER}/${n}`, {
    pushEvents: false,
    pipelineEvents: true,
    token: "a-token-of-the-client",
  });
  assert.equal(made.project_id, project.id);
  assert.equal(made.push_events, false);
  assert.equal(made.pipeline_events, true);
  assert.equal(made.token_present, true);
}
const all = await api.ProjectHooks.all(PROJECT, { perPage: 5 });
assert.equal(all.length, 12);
assert.deepEqual([...new Set(all.map((hook) => hook.alert_status))], ["executable"]);

const [kept, ...others] = all;
const edited = await api.ProjectHooks.edit(project.id, kept.id, `${RECEIVER}/kept`, {
  token: "a-token-of-the-client",
  pushEvents: true,
});
assert.equal(edited.url, `${RECEIVER}/kept`);
assert.equal(edited.pipeline_events, true);
const shown = await api.ProjectHooks.show(project.id, kept.id);
assert.equal(shown.push_events, true);
for (const hook of others) {
  await api.ProjectHooks.remove(project.id, hook.id);
}
await assert.rejects(api.ProjectHooks.show(project.id, others[0].id), (error) => {
  assert.equal(error.cause.response.status, 404);
  return true;
});
