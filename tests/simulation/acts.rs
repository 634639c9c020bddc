//! What happens: drawn by chance, written down, and done.

use crate::model::Run;
use crate::world::{World, nth};
use hookherd::domain::repo::ProviderKind;
use hookherd::simulator::{Fault, Misbehaviour, Miscarriage, PipelineSpec, RunSpec};
use std::time::Duration;

const BRANCHES: [&str; 3] = ["main", "topic", "next"];

impl World {
    /// Something happens, and then time passes.
    pub async fn act(&mut self) {
        self.book.acts.set(self.book.acts.get() + 1);
        match self.chance.below(100) {
            0..30 => self.run_ci(),
            30..38 => self.push(),
            38..56 => self.ask_something(),
            56..68 => self.meddle().await,
            68..80 => self.break_something(),
            80..85 => self.change_network(),
            85..90 => self.crash().await,
            90..93 => self.change_token().await,
            93..95 => self.set_clock(),
            95..97 => self.outage(),
            _ => self.mend_network(),
        }
        let longest = *self
            .chance
            .pick(&[100, 1_000, 1_000, 10_000, 10_000, 60_000, 600_000]);
        let time = Duration::from_millis(self.chance.below(longest));
        self.pass(time).await;
        if self.daemon.is_none() && self.chance.one_in(2) {
            self.start().await;
        }
    }

    fn run_ci(&mut self) {
        let nth = self.chance.index(self.places.len());
        let place = self.places[nth].clone();
        let branch = *self.chance.pick(&BRANCHES);
        let is_red = self.chance.one_in(2);
        let number = self.model.borrow_mut().next_run();
        self.note(format!(
            "CI of {} on {branch}: run {number} {}",
            place.name,
            if is_red { "fails" } else { "passes" }
        ));
        let workflow = match place.provider {
            ProviderKind::Github => {
                let conclusion = if is_red { "failure" } else { "success" };
                let spec = RunSpec {
                    branch: branch.into(),
                    ..RunSpec::new(number, conclusion)
                };
                self.offline.github().play_run(&place.name, &spec);
                "CI"
            }
            ProviderKind::Gitlab => {
                let status = if is_red { "failed" } else { "success" };
                let spec = PipelineSpec {
                    ref_name: branch.into(),
                    ..PipelineSpec::new(number, status)
                };
                self.offline.gitlab().play_pipeline(&place.name, &spec);
                "Pipeline"
            }
        };
        let at = self.truth.elapsed();
        let run = Run { is_red, at };
        let mut model = self.model.borrow_mut();
        model.ended((nth, workflow, branch), number, run);
    }

    fn push(&self) {
        let place = self.chance.pick(&self.places);
        self.note(format!("a push to {}", place.name));
        match place.provider {
            ProviderKind::Github => self.offline.github().push(&place.name),
            ProviderKind::Gitlab => self.offline.gitlab().push(&place.name),
        }
    }

    /// A provider fails.
    fn break_something(&self) {
        let misbehaviour = match self.chance.below(11) {
            0 => Misbehaviour::FailBefore(*self.chance.pick(&[500, 502, 503])),
            1 => Misbehaviour::ActThenFail(*self.chance.pick(&[500, 502, 504])),
            2 => Misbehaviour::DropBefore,
            3 => Misbehaviour::ActThenDrop,
            4 => Misbehaviour::Hang,
            5 => Misbehaviour::ActThenHang,
            6 => Misbehaviour::TruncatedJson,
            7 => Misbehaviour::RateLimitedPrimary {
                reset_s: 1 + self.chance.below(300),
            },
            8 => Misbehaviour::RateLimitedSecondary {
                retry_after_s: 1 + self.chance.below(120),
            },
            9 => {
                let miscarriage = match self.chance.below(5) {
                    0 => Miscarriage::Twice,
                    1 => Miscarriage::WrongSecret,
                    _ => Miscarriage::Lost,
                };
                self.note(format!("the next delivery: {miscarriage:?}"));
                return self.offline.faults().next_delivery(miscarriage);
            }
            _ => Misbehaviour::NotFoundForPermission,
        };
        let operations = [
            "*",
            "*",
            "create_hook",
            "update_hook",
            "delete_hook",
            "list_hooks",
            "get_hook",
            "ping_hook",
            "list_deliveries",
            "get_delivery",
            "gitlab.*",
        ];
        let fault = Fault {
            operation: (*self.chance.pick(&operations)).to_owned(),
            misbehaviour,
            times: 1 + u32::try_from(self.chance.below(6)).unwrap(),
            after: u32::try_from(self.chance.below(3)).unwrap(),
        };
        self.note(format!("{fault:?}"));
        self.offline.faults().push(fault);
    }

    fn outage(&self) {
        let lasts = self.chance.one_in(2);
        self.note(format!("an outage of the providers: {lasts}"));
        self.offline.faults().outage(lasts);
    }

    fn change_network(&self) {
        let network = &self.network;
        match self.chance.below(5) {
            0 => network.is_inbound_down.set(true),
            1 => network.is_outbound_down.set(true),
            2 => network.loses_answers.set(2 + self.chance.below(4)),
            3 => network.inbound_delay.set(Duration::from_mins(1)),
            _ => network.inbound_delay.set(Duration::from_secs(3)),
        }
        let state = (
            network.is_inbound_down.get(),
            network.is_outbound_down.get(),
            network.loses_answers.get(),
            network.inbound_delay.get(),
        );
        self.note(format!("network (in, out, loses, delay): {state:?}"));
    }

    pub fn mend_network(&self) {
        self.network.is_inbound_down.set(false);
        self.network.is_outbound_down.set(false);
        self.network.loses_answers.set(0);
        self.network.inbound_delay.set(Duration::from_millis(200));
        self.offline.faults().outage(false);
        self.note("the network is well");
    }

    async fn crash(&mut self) {
        let Some(daemon) = &self.daemon else {
            return self.start().await;
        };
        match self.chance.below(6) {
            0 => self.kill(),
            1 => {
                self.stop().await;
                if self.chance.one_in(3) {
                    self.move_house();
                }
            }
            _ => {
                let (left, commits_it) = (self.chance.below(12), self.chance.one_in(2));
                daemon.store.dies_at(left, commits_it);
                self.note(format!("it dies after {left} commits ({commits_it})"));
            }
        }
    }

    /// The public address changes. The former one still leads here.
    fn move_house(&mut self) {
        let n = 1 + self.chance.below(3);
        self.machine.public_url = format!("https://hookherd-{n}.test");
        self.note(format!("the public URL is {}", self.machine.public_url));
    }

    async fn change_token(&mut self) {
        let person = self.chance.index(self.people.len());
        let provider = *self.chance.pick(&ProviderKind::ALL);
        let (login, token) = (
            self.people[person].login,
            self.people[person].tokens[nth(provider)].take(),
        );
        match token {
            Some(token) => {
                self.note(format!("{login} revokes their token for {provider}"));
                match provider {
                    ProviderKind::Github => self.offline.github().revoke_token(&token),
                    ProviderKind::Gitlab => self.offline.gitlab().revoke_token(&token),
                }
            }
            None => {
                self.give_token(person, provider).await;
            }
        }
    }

    fn set_clock(&self) {
        let off_by = i64::try_from(self.chance.below(120_000)).unwrap() - 60_000;
        self.machine.clock.set_off_by(off_by);
        self.note(format!("the daemon's clock is off by {off_by} ms"));
    }
}
