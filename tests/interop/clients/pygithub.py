"""PyGithub against a GitHub: looks around, makes twelve hooks, lists them over several pages,
changes, pings and tests one, and deletes all others. What it sees must be what it asked for."""

import os

import github

host, token, secret = os.environ["HOST"], os.environ["TOKEN"], os.environ["SECRET"]
name, receiver = os.environ["PROJECT"], os.environ["RECEIVER"]

# It would wait a second before each write.
no_pause = {"seconds_between_requests": None, "seconds_between_writes": None}
api = github.Github(auth=github.Auth.Token(token), base_url=host, per_page=5, **no_pause)
assert api.get_user().login == "ann"
repo = api.get_repo(name)
assert (repo.full_name, repo.permissions.admin) == (name, True), repo
assert len(list(api.get_user().get_repos())) == 2

for n in range(12):
    config = {"url": f"{receiver}/{n}", "content_type": "json", "secret": secret}
    made = repo.create_hook("web", config, ["push"], active=True)
    assert (made.events, made.active) == (["push"], True), made
    assert made.config["secret"] == "********", made.config

hooks = list(repo.get_hooks())
assert len(hooks) == 12, hooks
kept, *others = hooks
config = {"url": f"{receiver}/kept", "content_type": "json", "secret": secret}
kept.edit("web", config, add_events=["workflow_run"])
assert repo.get_hook(kept.id).events == ["push", "workflow_run"], kept
kept.ping()
kept.test()
log = list(repo.get_hook_deliveries(kept.id))
assert [item.event for item in log] == ["push", "ping", "ping"], log
for hook in others:
    hook.delete()
try:
    repo.get_hook(others[0].id)
except github.UnknownObjectException as error:
    assert error.status == 404, error
else:
    raise AssertionError("it was deleted")
