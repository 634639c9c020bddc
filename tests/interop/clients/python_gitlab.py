"""python-gitlab against a GitLab: looks around, makes twelve hooks, lists them over several pages,
changes one, tests it, and deletes all others. What it sees must be what it asked for."""

import os

import gitlab

host, token = os.environ["HOST"], os.environ["TOKEN"]
path, receiver = os.environ["PROJECT"], os.environ["RECEIVER"]

api = gitlab.Gitlab(host, private_token=token)
api.auth()
assert api.user.username == "ann", api.user
assert api.version()[0].startswith("19."), api.version()
assert api.personal_access_tokens.get("self").scopes == ["api"]
project = api.projects.get(path)
assert project.path_with_namespace == path
mine = api.projects.list(membership=True, min_access_level=40, per_page=1, get_all=True)
assert len(mine) == 2, mine

for n in range(12):
    made = project.hooks.create(
        {
            "url": f"{receiver}/{n}",
            "push_events": False,
            "job_events": True,
            "token": "a-token-of-the-client",
            "signing_token": os.environ["SIGNING_TOKEN"],
        }
    )
    assert (made.push_events, made.job_events) == (False, True), made
    assert (made.token_present, made.signing_token_present) == (True, True), made

pages = list(project.hooks.list(iterator=True, per_page=5))
assert len(pages) == 12, pages
first = project.hooks.list(per_page=5, page=1, get_all=False)
assert len(first) == 5, first

kept, *others = pages
kept.push_events = True
kept.save()
seen = project.hooks.get(kept.id)
assert (seen.push_events, seen.job_events, seen.token_present) == (True, True, True), seen
kept.test("push_events")
try:
    kept.test("pipeline_events")
except gitlab.exceptions.GitlabHookTestError as error:
    assert error.response_code == 422, error
    assert error.error_message == "Ensure the project has CI pipelines.", error
else:
    raise AssertionError("there is no pipeline to test with")
for hook in others:
    hook.delete()
assert [hook.id for hook in project.hooks.list(get_all=True)] == [kept.id]
