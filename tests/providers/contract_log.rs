//! What `Logs` promises about delivery logs, case by case, for each provider.

use crate::both;
use crate::contract::Headers;
use crate::receiver::{Delivery, Receiver};
use crate::stand::Stand;
use hookherd::app::SystemClock;
use hookherd::domain::delivery::Payload;
use hookherd::domain::event::Decoded;
use hookherd::domain::id::HookId;
use hookherd::domain::lifecycle::Failure;
use hookherd::domain::repo::ProviderKind;
use hookherd::domain::secret::Proof;
use hookherd::domain::time::Clock;
use hookherd::provider::{
    HookSpec, Inbound, LogPage, LogRead, Logged, LoggedPayload, Redelivered, Target, Unsent,
};
use hookherd::simulator::{Misbehaviour, Miscarriage};
use std::collections::BTreeSet;
use std::time::Duration;

both! {
    every_attempt_is_listed_whatever_its_result_under_the_id_that_ingress_stores
    a_log_that_grows_while_it_is_read_loses_nothing
    a_place_in_a_log_is_found_again_after_more_was_sent
    a_logged_payload_means_what_was_sent
    a_redelivery_arrives_under_the_same_id
    a_log_is_read_at_any_name_of_its_repository
    what_is_gone_is_told_from_what_may_not_be_seen
    a_cursor_that_leads_nowhere_is_reported
    an_outage_is_no_end_of_the_log
    all_hooks_are_listed
}

/// A hook of ours, and its log.
pub(crate) struct Case {
    pub(crate) stand: Stand,
    pub(crate) receiver: Receiver,
    pub(crate) spec: HookSpec,
    pub(crate) hook: HookId,
}

impl Case {
    pub(crate) async fn new(stand: Stand) -> Self {
        let receiver = Receiver::start();
        let spec = stand.spec(&format!("{}/hook", receiver.url));
        let ensured = stand
            .hooks
            .ensure(&stand.access, &stand.target, None, &spec)
            .await;
        let hook = ensured.expect("it is created").hook;
        let case = Self {
            stand,
            receiver,
            spec,
            hook,
        };
        case.settle();
        case
    }

    pub(crate) fn settle(&self) {
        assert!(self.stand.simulator.wait_quiet(Duration::from_secs(10)));
    }

    fn push(&self) {
        let name = self.stand.target.full_name.as_str();
        match self.stand.kind {
            ProviderKind::Github => self.stand.simulator.github().push(name),
            ProviderKind::Gitlab => self.stand.simulator.gitlab().push(name),
        }
        self.settle();
    }

    fn lose_a_push(&self) {
        let faults = self.stand.simulator.faults();
        faults.next_delivery(Miscarriage::Lost);
        self.push();
    }

    pub(crate) async fn read(&self, target: &Target, cursor: Option<&str>) -> LogRead {
        let (hooks, access) = (&self.stand.hooks, &self.stand.access);
        let read = hooks.delivery_log(access, target, self.hook, cursor).await;
        read.expect("the log can be read")
    }

    pub(crate) async fn page(&self, cursor: Option<&str>) -> LogPage {
        match self.read(&self.stand.known(), cursor).await {
            LogRead::Page(page) => page,
            other => panic!("{other:?}"),
        }
    }

    /// The whole log.
    pub(crate) async fn log(&self) -> Vec<Logged> {
        let (mut all, mut cursor) = (Vec::new(), None);
        for _ in 0..100 {
            let page = self.page(cursor.as_deref()).await;
            all.extend(page.attempts);
            cursor = page.next;
            if cursor.is_none() {
                return all;
            }
        }
        panic!("an endless log");
    }

    pub(crate) async fn redeliver(&self, attempt: u64) -> Redelivered {
        let (hooks, access) = (&self.stand.hooks, &self.stand.access);
        let known = self.stand.known();
        let sent = hooks.redeliver(access, &known, self.hook, attempt).await;
        sent.expect("it can be asked for")
    }

    pub(crate) async fn payload(&self, logged: &Logged) -> Option<Payload> {
        match &logged.payload {
            LoggedPayload::Listed(payload) => Some(payload.clone()),
            LoggedPayload::Lost => None,
            LoggedPayload::Separate => {
                let (hooks, access) = (&self.stand.hooks, &self.stand.access);
                let known = self.stand.known();
                let read = hooks.logged_payload(access, &known, self.hook, logged.attempt);
                read.await.expect("it can be read")
            }
        }
    }

    /// What ingress makes of a delivery: its id, its event, and what it means.
    pub(crate) fn ingested(&self, delivery: &Delivery) -> (String, String, Decoded) {
        let headers = Headers(delivery.headers.clone());
        let inbound = Inbound {
            headers: &headers,
            body: &delivery.body,
            received_at: SystemClock.now(),
        };
        let secrets = [self.spec.secret.clone()];
        let dialect = self.stand.decoder();
        let verified = dialect.verify(inbound, &secrets, Proof::Signature);
        let mut verified = verified.expect("it proves itself");
        let id = verified.provider_delivery_id().to_owned();
        let decoded = verified.take_decoded().expect("it is understood");
        (id, verified.event().to_owned(), decoded)
    }

    pub(crate) fn received(&self) -> Vec<Delivery> {
        self.receiver.at("/hook")
    }
}

async fn every_attempt_is_listed_whatever_its_result_under_the_id_that_ingress_stores(
    stand: Stand,
) {
    let case = Case::new(stand).await;
    case.push();
    case.lose_a_push();
    let log = case.log().await;
    assert_eq!((log[0].status, log[0].was_answered()), (None, false));
    let newest_first = log.iter().map(|logged| logged.attempt);
    assert!(newest_first.rev().is_sorted());
    let mut answered: Vec<&Logged> = log.iter().filter(|l| l.was_answered()).collect();
    answered.reverse();
    let received = case.received();
    assert_eq!(answered.len(), received.len());
    assert_eq!(log.len(), received.len() + 1);
    for (logged, delivery) in answered.into_iter().zip(&received) {
        let (id, event, _) = case.ingested(delivery);
        assert_eq!(logged.delivery_id.as_ref(), Some(&id));
        assert_eq!((&logged.event, logged.status), (&event, Some(200)));
        assert!(!logged.is_redelivery);
        // GitLab's log has no times.
        let has_time = case.stand.kind == ProviderKind::Github;
        assert_eq!(logged.at.is_some(), has_time);
    }
    case.receiver.stop().await;
}

async fn a_log_that_grows_while_it_is_read_loses_nothing(stand: Stand) {
    let case = Case::new(stand).await;
    let pages = match case.stand.kind {
        ProviderKind::Github => 120,
        ProviderKind::Gitlab => 45,
    };
    for _ in 0..pages {
        case.lose_a_push();
    }
    let before: BTreeSet<u64> = case.log().await.iter().map(|l| l.attempt).collect();
    assert!(before.len() >= pages);
    let (mut seen, mut cursor) = (BTreeSet::new(), None);
    loop {
        let page = case.page(cursor.as_deref()).await;
        seen.extend(page.attempts.iter().map(|logged| logged.attempt));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
        for _ in 0..3 {
            case.lose_a_push();
        }
    }
    assert_eq!(before.difference(&seen).count(), 0);
    case.receiver.stop().await;
}

async fn a_place_in_a_log_is_found_again_after_more_was_sent(stand: Stand) {
    const MORE: usize = 45;
    let case = Case::new(stand).await;
    (0..230).for_each(|_| case.push());
    case.settle();
    let (mut cursor, mut ids) = (None, Vec::new());
    let page = loop {
        let page = case.page(cursor.as_deref()).await;
        ids.extend(page.attempts.iter().map(|it| it.attempt));
        if ids.len() >= 215 {
            break cursor.expect("it is not on the first page");
        }
        cursor = page.next;
    };
    let sought = ids[ids.len() - 1];
    (0..MORE).for_each(|_| case.push());
    case.settle();
    let before = (ids.len() - 1 + MORE) as u64;
    let mut cursor = Some(case.stand.hooks.place_in_log(&page, before));
    for _ in 0..3 {
        let page = case.page(cursor.as_deref()).await;
        if page.attempts.iter().any(|it| it.attempt == sought) {
            return case.receiver.stop().await;
        }
        cursor = page.next;
    }
    panic!("{sought} is not there");
}

async fn a_logged_payload_means_what_was_sent(stand: Stand) {
    let case = Case::new(stand).await;
    crate::contract_runs::play(&case.stand, 7, "failed");
    case.push();
    let received = case.received();
    let dialect = case.stand.decoder();
    let log = case.log().await;
    assert_eq!(log.len(), received.len());
    // They may arrive in another order.
    for delivery in &received {
        let (id, event, decoded) = case.ingested(delivery);
        let logged = log.iter().find(|l| l.delivery_id.as_ref() == Some(&id));
        let logged = logged.expect("it is on record");
        let payload = case.payload(logged).await.expect("and its payload");
        assert_eq!(
            dialect.decode(&logged.event, &payload),
            Ok(decoded),
            "{event}"
        );
        let names: Vec<&str> = payload
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let secret = |name: &&str| name.contains("token") || name.contains("signature");
        assert!(!names.is_empty() && !names.iter().any(secret), "{names:?}");
    }
    case.receiver.stop().await;
}

async fn a_redelivery_arrives_under_the_same_id(stand: Stand) {
    let case = Case::new(stand).await;
    case.push();
    let first = case.log().await[0].clone();
    assert_eq!(case.redeliver(first.attempt).await, Redelivered::Sent);
    case.settle();
    let received = case.received();
    let (id, _, _) = case.ingested(received.last().expect("it came"));
    assert_eq!(first.delivery_id, Some(id));
    let again = case.log().await[0].clone();
    assert_ne!(again.attempt, first.attempt);
    assert_eq!(again.delivery_id, first.delivery_id);
    let is_told = case.stand.kind == ProviderKind::Github;
    assert_eq!(again.is_redelivery, is_told);
    let never = Redelivered::Refused(Unsent::Gone);
    assert_eq!(case.redeliver(3).await, never);
    case.receiver.stop().await;
}

async fn a_log_is_read_at_any_name_of_its_repository(stand: Stand) {
    let case = Case::new(stand).await;
    let old = case.stand.target.clone();
    let name = case.stand.rename();
    let lead_to_it = [old.clone(), case.stand.known()];
    for target in &lead_to_it {
        let read = case.read(target, None).await;
        assert!(matches!(read, LogRead::Page(_)), "{target:?}: {read:?}");
    }
    // Another repository takes the old name: no redirect leads on.
    match case.stand.kind {
        ProviderKind::Github => {
            case.stand
                .simulator
                .github()
                .add_repository(old.full_name.as_str(), "ann");
        }
        ProviderKind::Gitlab => {
            case.stand
                .simulator
                .gitlab()
                .add_project(old.full_name.as_str(), "ann");
        }
    }
    let read = case.read(&case.stand.known(), None).await;
    assert!(matches!(read, LogRead::Page(_)), "{name}: {read:?}");
    case.receiver.stop().await;
}

async fn what_is_gone_is_told_from_what_may_not_be_seen(stand: Stand) {
    let case = Case::new(stand).await;
    case.push();
    let attempt = case.log().await[0].attempt;
    let (hooks, access) = (&case.stand.hooks, &case.stand.access);
    let known = case.stand.known();
    case.stand.demote();
    let log = hooks.delivery_log(access, &known, case.hook, None).await;
    let sent = hooks.redeliver(access, &known, case.hook, attempt).await;
    for error in [log.map(drop), sent.map(drop)] {
        let error = error.expect_err("the role is missing");
        assert_eq!(error.failure, Failure::NoAccess);
    }
    case.stand.promote();
    case.stand.delete_by_hand(case.hook.0);
    let read = case.read(&known, None).await;
    assert_eq!(read, LogRead::HookMissing);
    let never = Redelivered::Refused(Unsent::Gone);
    assert_eq!(case.redeliver(attempt).await, never);
    let read = hooks
        .logged_payload(access, &known, case.hook, attempt)
        .await;
    assert_eq!(read, Ok(None));
    case.receiver.stop().await;
}

async fn a_cursor_that_leads_nowhere_is_reported(stand: Stand) {
    let case = Case::new(stand).await;
    let long = "9".repeat(5000);
    for cursor in ["rubbish", "", "0:0", long.as_str()] {
        let read = case.read(&case.stand.known(), Some(cursor)).await;
        assert_eq!(read, LogRead::CursorLost, "{cursor}");
    }
    case.receiver.stop().await;
}

async fn an_outage_is_no_end_of_the_log(stand: Stand) {
    let case = Case::new(stand).await;
    let list = match case.stand.kind {
        ProviderKind::Github => "list_deliveries",
        ProviderKind::Gitlab => "gitlab.list_events",
    };
    let (hooks, access) = (&case.stand.hooks, &case.stand.access);
    let known = case.stand.known();
    for _ in 0..3 {
        let fault = Misbehaviour::TruncatedJson;
        case.stand.simulator.faults().next(list, fault);
    }
    let read = hooks.delivery_log(access, &known, case.hook, None).await;
    let error = read.expect_err("half of an answer is none");
    assert_eq!(error.failure, Failure::Retryable { after: None });
    assert!(!error.may_have_acted);
    case.stand.simulator.faults().outage(true);
    let read = hooks.delivery_log(access, &known, case.hook, None).await;
    let error = read.expect_err("it is down");
    assert_eq!(error.code.as_str(), "provider_unavailable");
    case.receiver.stop().await;
}

async fn all_hooks_are_listed(stand: Stand) {
    let case = Case::new(stand).await;
    let other = "https://ci.example/other?key=1";
    let foreign = case.stand.foreign(other);
    assert_eq!(case.stand.write(None, &foreign).await, 201);
    let (hooks, access) = (&case.stand.hooks, &case.stand.access);
    let all = hooks
        .hooks(access, &case.stand.known())
        .await
        .expect("the list")
        .hooks;
    assert_eq!(all.len(), 2);
    assert_eq!(
        (all[0].id, all[0].url.as_deref()),
        (case.hook, Some(case.spec.url.as_str()))
    );
    let events: BTreeSet<_> = all[0].events.iter().cloned().collect();
    assert_eq!(events, case.spec.events.iter().cloned().collect());
    assert_eq!((all[0].is_active, all[0].has_secret), (true, Some(true)));
    assert!(all[0].created_at.is_some());
    assert_eq!(all[1].url.as_deref(), Some(other));
    assert_eq!((all[1].is_active, all[1].has_secret), (true, Some(false)));
    assert!(
        all[1]
            .events
            .iter()
            .any(|event| event.starts_with("issues"))
    );
    case.stand.demote();
    let error = hooks.hooks(access, &case.stand.known()).await;
    assert_eq!(error.map_err(|e| e.failure), Err(Failure::NoAccess));
    case.receiver.stop().await;
}
