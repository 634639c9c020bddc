"""PyGithub as a person who edits, disables and deletes the webhooks of a repository."""

import os

import github

import hands

# It would wait a second before each write.
no_pause = {"seconds_between_requests": None, "seconds_between_writes": None}
token = github.Auth.Token(os.environ["TOKEN"])
api = github.Github(auth=token, base_url=os.environ["HOST"], **no_pause)
repo = api.get_repo(os.environ["PROJECT"])
elsewhere = os.environ["ELSEWHERE"]


def look(_=None):
    """All hooks as PyGithub reads them now."""
    return [
        {"id": hook.id, "active": hook.active, "events": sorted(hook.events), "config": hook.config}
        for hook in repo.get_hooks()
    ]


def make(_):
    """A hook of the person's own."""
    return repo.create_hook("web", {"url": elsewhere + "/own", "content_type": "json"}, ["push"]).id


def edit(remove=None, settings=None, **rest):
    """An edit. PyGithub sends the settings with each one, and has read a mask in place of the
    secret, which becomes the secret: https://github.com/PyGithub/PyGithub/issues/2906."""

    def act(id):
        hook = repo.get_hook(id)
        config = {**hook.config, **(settings or {})}
        config.pop(remove, None)
        hook.edit("web", config, **rest)

    return act


def log(id):
    """Event and status of each delivery, the newest first."""
    return [[item.event, item.status_code] for item in repo.get_hook_deliveries(id)]


everything = {"url": elsewhere + "/all", "content_type": "form", "insecure_ssl": "1"}
hands.serve(
    {
        "look": look,
        "make": make,
        "log": log,
        "ping": lambda id: repo.get_hook(id).ping(),
        "events": edit(events=["issues"]),
        "added_event": edit(add_events=["issues"]),
        "url": edit(settings={"url": elsewhere}),
        "content_type": edit(settings={"content_type": "form"}),
        "insecure_ssl": edit(settings={"insecure_ssl": "1"}),
        "inactive": edit(active=False),
        "no_secret": edit(remove="secret"),
        "everything": edit(remove="secret", settings=everything, events=["*"], active=False),
        "masked": edit(),
        "delete": lambda id: repo.get_hook(id).delete(),
    }
)
