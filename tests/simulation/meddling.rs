//! What people do at the providers, behind the daemon's back.

use crate::world::World;
use hookherd::domain::repo::ProviderKind;

impl World {
    /// People at the provider change things behind the daemon's back.
    pub async fn meddle(&mut self) {
        let nth = self.chance.index(self.places.len());
        let place = self.places[nth].clone();
        let what = self.chance.below(12);
        match place.provider {
            ProviderKind::Github => self.meddle_at_github(nth, what),
            ProviderKind::Gitlab => self.meddle_at_gitlab(nth, what),
        }
        if what == 11 {
            tokio::task::yield_now().await;
            self.rename(nth);
        }
    }

    fn meddle_at_github(&mut self, nth: usize, what: u64) {
        let github = self.offline.github();
        let place = self.places[nth].clone();
        let hooks = github.hooks(&place.name);
        let ours: Vec<_> = hooks
            .iter()
            .filter(|hook| hook.url.contains("hookherd-"))
            .collect();
        if what == 10 {
            let url = format!("https://other-{}.test/hook", self.chance.below(100));
            let made = github.make_hook_by_hand(&place.name, &url, &["push"]);
            self.note(format!("somebody adds a hook to {}: {made:?}", place.name));
            self.places[nth].strangers.extend(made.map(|id| (id, url)));
            return;
        }
        if ours.is_empty() || what == 11 {
            return;
        }
        let hook = (*self.chance.pick(&ours)).clone();
        let note = |words: &str| self.note(format!("somebody {words} hook {}", hook.id));
        match what {
            0 | 1 => {
                note("deletes");
                github.delete_hook_by_hand(&place.name, hook.id);
            }
            2 => {
                note("points elsewhere with");
                github.edit_hook_url_by_hand(&place.name, hook.id, "https://else.test/x");
            }
            3 => {
                note("takes events from");
                github.edit_hook_by_hand(&place.name, hook.id, &["push"]);
            }
            4 => {
                note("switches off");
                github.change_hook_by_hand(&place.name, hook.id, |hook| hook.is_active = false);
            }
            5 => {
                note("changes the secret of");
                github.change_hook_by_hand(&place.name, hook.id, |hook| {
                    hook.secret = Some("changed by hand".into());
                });
            }
            6 => {
                note("takes the secret from");
                github.change_hook_by_hand(&place.name, hook.id, |hook| hook.secret = None);
            }
            7 => {
                note("makes a form of");
                github.change_hook_by_hand(&place.name, hook.id, |hook| {
                    hook.content_type = "form".into();
                    hook.insecure_ssl = "1".into();
                });
            }
            _ => {
                note("copies");
                github.make_hook_by_hand(&place.name, &hook.url, &["issues"]);
            }
        }
    }

    fn meddle_at_gitlab(&mut self, nth: usize, what: u64) {
        let gitlab = self.offline.gitlab();
        let place = self.places[nth].clone();
        let hooks = gitlab.hooks(&place.name);
        let mut ours = hooks.iter().filter(|hook| hook.url.contains("hookherd-"));
        let Some(hook) = ours.next() else {
            return;
        };
        let note = |words: &str| self.note(format!("somebody {words} hook {}", hook.id));
        match what {
            0 | 1 => {
                note("deletes");
                gitlab.delete_hook_by_hand(&place.name, hook.id);
            }
            2 | 3 => {
                note("points elsewhere with");
                gitlab.edit_hook_url_by_hand(&place.name, hook.id, "https://else.test/x");
            }
            4..=6 => {
                note("takes events from");
                gitlab.edit_hook_by_hand(&place.name, hook.id, &["push_events"]);
            }
            _ => {}
        }
    }

    fn rename(&mut self, nth: usize) {
        let place = &mut self.places[nth];
        place.names += 1;
        let base = place.name.split("-v").next().unwrap_or_default();
        let name = format!("{base}-v{}", place.names);
        let old = std::mem::replace(&mut place.name, name.clone());
        match place.provider {
            ProviderKind::Github => self.offline.github().rename(&old, &name),
            ProviderKind::Gitlab => self.offline.gitlab().rename(&old, &name),
        }
        self.note(format!("{old} is renamed to {name}"));
    }
}
