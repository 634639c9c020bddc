// Writes GitHub's own OpenAPI description (@octokit/openapi), cut down to the paths that Hookherd
// uses and the components that these refer to. What is kept is kept as it is, but for one addition,
// two omissions and one correction, marked below.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);
const root = dirname(require.resolve("@octokit/openapi/package.json"));
const whole = JSON.parse(readFileSync(join(root, "generated/api.github.com.json"), "utf8"));

const HOOKS = "/repos/{owner}/{repo}/hooks";
const ACTIONS = "/repos/{owner}/{repo}/actions";
const RUNS = [
  "/runs",
  "/runs/{run_id}",
  "/runs/{run_id}/jobs",
  "/runs/{run_id}/attempts/{attempt_number}",
  "/runs/{run_id}/attempts/{attempt_number}/jobs",
  "/jobs/{job_id}/logs",
  "/workflows",
  "/workflows/{workflow_id}/runs",
].map((path) => ACTIONS + path);
const COMMITS = ["/commits", "/commits/{commit_sha}/pulls", "/compare/{basehead}"].map(
  (path) => "/repos/{owner}/{repo}" + path,
);
const ISSUES = "/repos/{owner}/{repo}/issues";
const ISSUE = ISSUES + "/{issue_number}";
const EXACT = [
  "/rate_limit",
  "/repos/{owner}/{repo}",
  "/user",
  "/user/repos",
  ...RUNS,
  ...COMMITS,
  ISSUES,
  ISSUE,
  ISSUE + "/comments",
];
const kept = Object.keys(whole.paths).filter(
  (path) => EXACT.includes(path) || path === HOOKS || path.startsWith(HOOKS + "/"),
);
for (const path of [...EXACT, HOOKS, HOOKS + "/{hook_id}/pings"]) {
  if (!kept.includes(path)) throw new Error(`GitHub's description has no ${path} any more`);
}
const paths = Object.fromEntries(kept.map((path) => [path, whole.paths[path]]));

// The addition: GitHub's redirects for renamed repositories lead to /repositories/{id}, which its
// description leaves out. It answers what /repos/{owner}/{repo} answers, so that operation is
// copied, with its two name parameters replaced by the id.
const { get } = whole.paths["/repos/{owner}/{repo}"];
const isName = (parameter) => /\/(owner|repo)$/.test(parameter.$ref ?? "");
paths["/repositories/{repository_id}"] = {
  get: {
    ...get,
    operationId: "repos/get-by-id",
    parameters: [
      { name: "repository_id", in: "path", required: true, schema: { type: "integer" } },
      ...get.parameters.filter((parameter) => !isName(parameter)),
    ],
  },
};

const components = {};
const seen = new Set();
function keep(node) {
  if (node === null || typeof node !== "object") return;
  if (typeof node.$ref === "string" && !seen.has(node.$ref)) {
    seen.add(node.$ref);
    const [, , kind, name] = node.$ref.split("/");
    components[kind] ??= {};
    components[kind][name] = whole.components[kind][name];
    keep(components[kind][name]);
  }
  Object.values(node).forEach(keep);
}
keep(paths);

// The omission: the example of the Link header names a next page at api.github.com, for every
// list, for ever. prism's mock server would send it along with each of them.
delete components.headers.link.example;

// Another omission: "created" is described as a date, and takes ranges such as ">=2026-11-24", as
// its own text says.
delete components.parameters.created.schema.format;

// A workflow is named by a number or by the name of its file. Each number is a text, too, so that
// it fits both, where "oneOf" wants it to fit one.
const workflow = components.parameters["workflow-id"].schema;
workflow.anyOf = workflow.oneOf;
delete workflow.oneOf;

const { openapi, info, servers } = whole;
process.stdout.write(JSON.stringify({ openapi, info, servers, paths, components }));
