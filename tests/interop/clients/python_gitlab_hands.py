"""python-gitlab as a person who edits and deletes the webhooks of a project."""

import os

import gitlab

import hands

api = gitlab.Gitlab(os.environ["HOST"], private_token=os.environ["TOKEN"])
project = api.projects.get(os.environ["PROJECT"])
elsewhere = os.environ["ELSEWHERE"]


def look(_=None):
    """All hooks as python-gitlab reads them now."""
    return [hook.attributes for hook in project.hooks.list(get_all=True)]


def make(_):
    """A hook of the person's own."""
    return project.hooks.create({"url": elsewhere + "/own", "push_events": False}).id


def edit(**changes):
    """Sets attributes of a hook and saves it. python-gitlab sends the URL with each save."""

    def act(id):
        hook = project.hooks.get(id)
        for name, value in changes.items():
            setattr(hook, name, value)
        hook.save()

    return act


def test(id):
    """Whether the receiver has accepted a test delivery."""
    try:
        project.hooks.get(id).test("push_events")
    except gitlab.exceptions.GitlabHookTestError as error:
        assert error.response_code == 422, error
        return False
    return True


hands.serve(
    {
        "look": look,
        "make": make,
        "test": test,
        "url": edit(url=elsewhere),
        "no_pipelines": edit(pipeline_events=False),
        "events": edit(pipeline_events=False, push_events=False, issues_events=True),
        "tls": edit(enable_ssl_verification=False),
        "branches": edit(push_events_branch_filter="release/*", branch_filter_strategy="wildcard"),
        "template": edit(custom_webhook_template='{"event": "{{object_kind}}"}'),
        "no_token": edit(token=""),
        "no_signing_token": edit(signing_token=""),
        "another_signing_token": edit(signing_token=os.environ["SIGNING_TOKEN"]),
        "delete": lambda id: project.hooks.get(id).delete(),
    }
)
