//! The web pages of a repository at its provider, built from the configured base and from ids.
//!
//! Source: the links that GitHub and GitLab have in their own answers (`html_url`, `web_url`).

use super::repo::{FullName, ProviderKind};

/// The pages of a repository.
#[derive(Clone, Copy, Debug)]
pub struct Pages<'a> {
    /// The base of the installation's pages, without a slash at its end.
    pub base: &'a str,
    /// What the installation is.
    pub provider: ProviderKind,
    /// The repository.
    pub repository: &'a FullName,
}

impl Pages<'_> {
    fn at(&self, github: &str, gitlab: &str) -> String {
        let (base, name) = (self.base, self.repository);
        match self.provider {
            ProviderKind::Github => format!("{base}/{name}/{github}"),
            ProviderKind::Gitlab => format!("{base}/{name}/-/{gitlab}"),
        }
    }

    /// The page of a commit; `None` when that is no id of one.
    pub fn commit(&self, sha: &str) -> Option<String> {
        let is_id = !sha.is_empty() && sha.bytes().all(|byte| byte.is_ascii_hexdigit());
        let path = format!("commit/{sha}");
        is_id.then(|| self.at(&path, &path))
    }

    /// The page of a run, by the provider's id.
    pub fn run(&self, id: u64) -> String {
        self.at(&format!("actions/runs/{id}"), &format!("pipelines/{id}"))
    }

    /// The page of a job of a run, by the provider's ids.
    pub fn job(&self, run: u64, job: u64) -> String {
        let github = format!("actions/runs/{run}/job/{job}");
        self.at(&github, &format!("jobs/{job}"))
    }

    /// The page of a pull or merge request.
    pub fn request(&self, number: u64) -> String {
        let gitlab = format!("merge_requests/{number}");
        self.at(&format!("pull/{number}"), &gitlab)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_below_the_base_of_their_installation() {
        let name = "group/sub/app".parse().unwrap();
        let pages = |provider| Pages {
            base: "https://host.example/code",
            provider,
            repository: &name,
        };
        let all = |of: Pages<'_>| {
            let commit = of.commit("0a1b");
            [of.run(7), of.job(7, 8), of.request(9), commit.unwrap()]
        };
        let below = |path: &str| format!("https://host.example/code/group/sub/app/{path}");
        let github = all(pages(ProviderKind::Github));
        let paths = [
            "actions/runs/7",
            "actions/runs/7/job/8",
            "pull/9",
            "commit/0a1b",
        ];
        assert_eq!(github, paths.map(below));
        let gitlab = all(pages(ProviderKind::Gitlab));
        let paths = [
            "-/pipelines/7",
            "-/jobs/8",
            "-/merge_requests/9",
            "-/commit/0a1b",
        ];
        assert_eq!(gitlab, paths.map(below));
        for odd in ["", "main", "../x", "0a/1b", "0a?x"] {
            assert_eq!(pages(ProviderKind::Github).commit(odd), None, "{odd}");
        }
    }
}
